"""Which of MLflow's routes write, and which of them this gate knows to touch nothing that is protected.

Read off MLflow 3.17.2. INVARIANT: a writing route that stands in neither list, because a later version or
another app brought it, is refused: nobody has said what it can change.
"""

from __future__ import annotations

from typing import Final

__all__ = ["GUARDED", "HARMLESS", "WRITING"]

WRITING: Final = frozenset({"PUT", "POST", "PATCH", "DELETE"})

# Judged by `infra.gate.app` before they run; what concerns the registry itself is judged in the store.
GUARDED: Final = frozenset(
    [
        "_upload_artifact",
        "_delete_artifact_mlflow_artifacts",
        "_create_multipart_upload_artifact",
        "_complete_multipart_upload_artifact",
        "_abort_multipart_upload_artifact",
        "_create_presigned_upload_url",
        "serve_upload_artifact",
        "_finalize_logged_model",
        "_delete_logged_model",
        "_set_logged_model_tags",
        "_delete_logged_model_tag",
        "_log_logged_model_params",
        "_delete_run",
        "_delete_experiment",
        "_delete_workspace_handler",
    ]
)

# In the store: judged there.
_REGISTRY = """
    _create_registered_model _rename_registered_model _delete_registered_model _update_registered_model
    _set_registered_model_tag _delete_registered_model_tag _set_registered_model_alias _delete_registered_model_alias
    _get_latest_versions _create_model_version _update_model_version _transition_stage _delete_model_version
    _set_model_version_tag _delete_model_version_tag _create_webhook _update_webhook _delete_webhook _test_webhook
"""
# Runs, experiments, traces, datasets, scorers, gateway, review queues: nothing of a version hangs on them.
_ELSEWHERE = """
    _create_experiment _update_experiment _restore_experiment _search_experiments _set_experiment_tag
    _delete_experiment_tag _create_run _update_run _restore_run _search_runs _log_metric _log_param _log_batch
    _log_model _log_inputs _log_outputs _set_tag _delete_tag _create_logged_model _search_logged_models
    serve_search_datasets serve_create_promptlab_run serve_gateway_proxy
    serve_post_ui_telemetry _create_presigned_download_url _not_implemented _graphql
    _deprecated_start_trace_v2 _deprecated_end_trace_v2 _set_trace_tag _delete_trace_tag _delete_traces
    _link_prompts_to_trace _link_traces_to_run _start_trace_v3 _set_trace_tag_v3 _delete_trace_tag_v3
    _batch_get_trace_infos _calculate_trace_filter_correlation _query_trace_metrics _search_traces_v3
    _create_assessment _update_assessment _delete_assessment _create_dataset_handler _delete_dataset_handler
    _search_evaluation_datasets_handler _set_dataset_tags_handler _delete_dataset_tag_handler
    _upsert_dataset_records_handler _delete_dataset_records_handler _add_dataset_to_experiments_handler
    _remove_dataset_from_experiments_handler _register_scorer _delete_scorer _upsert_online_scoring_config
    _create_issue _update_issue _search_issues _create_label_schema _update_label_schema _delete_label_schema
    _create_review_queue _update_review_queue _delete_review_queue _get_or_create_user_queue
    _add_items_to_review_queue _remove_items_from_review_queue _set_review_queue_item_status
    _create_gateway_secret _update_gateway_secret _delete_gateway_secret _create_gateway_model_definition
    _update_gateway_model_definition _delete_gateway_model_definition _create_gateway_endpoint
    _update_gateway_endpoint _delete_gateway_endpoint _attach_model_to_gateway_endpoint
    _detach_model_from_gateway_endpoint _create_gateway_endpoint_binding _delete_gateway_endpoint_binding
    _set_gateway_endpoint_tag _delete_gateway_endpoint_tag _create_budget_policy _update_budget_policy
    _delete_budget_policy _create_gateway_guardrail _delete_gateway_guardrail _add_guardrail_to_endpoint
    _remove_guardrail_from_endpoint _update_endpoint_guardrail_config _create_prompt_optimization_job
    _search_prompt_optimization_jobs _cancel_prompt_optimization_job _delete_prompt_optimization_job
    _create_workspace_handler _update_workspace_handler _invoke_scorer_handler _cancel_job _generate_demo
    _delete_demo _invoke_genai_evaluate_handler _invoke_issue_detection_handler
"""
HARMLESS: Final = frozenset((_REGISTRY + _ELSEWHERE).split())
