"""The platform's own web app: start page, policy catalogue, ``/v1`` API, review and history pages.

``app.create_app(settings)`` makes it, ``python -m infra.web`` serves it. A page is a router in its own module
and a template that extends ``base.html``; what all pages share (style, headers, rendering) is in ``pages``.
"""
