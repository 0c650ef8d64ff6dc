"""The platform's own web app: start page, policy catalogue, /v1 API, review and history pages."""
