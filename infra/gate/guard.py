"""Judges the requests that the app plugin sees, by MLflow's own reading of them."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from flask import Response, request
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.protos.mlflow_artifacts_pb2 import (
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CreateMultipartUpload,
)
from mlflow.protos.service_pb2 import CreatePresignedUploadUrl, DeleteExperiment, DeleteRun
from mlflow.server.handlers import _get_model_registry_store as registry_store
from mlflow.server.handlers import _get_normalized_request_json as json_of
from mlflow.server.handlers import _get_request_message as message_of
from mlflow.server.handlers import _get_tracking_store as tracking_store
from mlflow.server.handlers import _get_workspace_scoped_repo_path_if_enabled as in_workspace
from mlflow.utils.uri import validate_path_is_safe

from governance.errors import RefusedError
from infra.gate.carried import Carried, carried, frozen_at
from infra.gate.gate import Standing, refusal
from infra.gate.places import place, place_of_served
from infra.gate.routes import WRITING
from infra.gate.store import destination, store_gate
from infra.gate.tags import is_ours

__all__ = ["Guard"]

_MULTIPART: Final = {
    "_create_multipart_upload_artifact": CreateMultipartUpload,
    "_complete_multipart_upload_artifact": CompleteMultipartUpload,
    "_abort_multipart_upload_artifact": AbortMultipartUpload,
}
# MLflow's own default; an address that lives on may be used after what lies there was registered.
_PRESIGNED_SECONDS: Final = 900


class Guard:
    """Refuses what would change files, LoggedModels, runs or workspaces behind a governed version.

    Args:
        known: Writing endpoints that were judged; any other is refused.
    """

    def __init__(self, *, known: frozenset[str]) -> None:
        self._known = known
        self._judges: Mapping[str, Callable[[], None]] = {
            "_upload_artifact": self._upload,
            "_delete_artifact_mlflow_artifacts": self._delete,
            "_create_multipart_upload_artifact": self._multipart,
            "_complete_multipart_upload_artifact": self._multipart,
            "_abort_multipart_upload_artifact": self._multipart,
            "_create_presigned_upload_url": self._presigned,
            "serve_upload_artifact": self._run_upload,
            "_finalize_logged_model": self._logged_model,
            "_delete_logged_model": self._logged_model,
            "_log_logged_model_params": self._logged_model,
            "_set_logged_model_tags": self._logged_model,
            "_delete_logged_model_tag": self._logged_model,
            "_delete_run": self._run,
            "_delete_experiment": self._experiment,
            "_delete_workspace_handler": self._workspace,
        }

    def flask(self) -> Response | None:
        """Flask's ``before_request``: None lets the request go on."""
        endpoint = request.endpoint or ""
        if request.method not in WRITING or request.url_rule is None:
            return None
        try:
            if endpoint not in self._known:
                _refuse(
                    f"{request.method} {endpoint}", "nobody has judged what this route of MLflow can change"
                )
            judge = self._judges.get(endpoint)
            if judge is not None:
                judge()
        except MlflowException as error:
            return _answer(error)
        return None

    # Files

    def served_write(self, artifact_path: str, *, deleting: bool = False) -> None:
        """Judge a write to a path of the artifact routes.

        Raises:
            MlflowException: The path is none, or it touches a registered version's files.
        """
        path = in_workspace(validate_path_is_safe(artifact_path))
        self._frozen(place_of_served(path or "", destination()), path or "/", deleting=deleting)

    def _frozen(self, where: str, shown: str, *, deleting: bool = False) -> None:
        store: Any = registry_store()
        what = f"{'Deleting' if deleting else 'Writing to'} {shown}"
        with _judged(what) as standing:
            hit = frozen_at(store.engine, standing.terms, where, destination(), deleting=deleting)
            if hit is not None:
                raise RefusedError(
                    what,
                    [
                        (
                            f"these are files of {hit[0]} version {hit[1]}; what is registered does not change, "
                            "a changed model is a new version"
                        )
                    ],
                )

    def _upload(self) -> None:
        path = _view_argument("artifact_path")
        self.served_write(path)
        asked: Any = request
        # A slow upload may have begun before the version was registered.
        asked.stream = _JudgedAgain(request.stream, lambda: self.served_write(path))

    def _delete(self) -> None:
        self.served_write(_view_argument("artifact_path"), deleting=True)

    def _multipart(self) -> None:
        message = message_of(_MULTIPART[request.endpoint or ""]())
        name = posixpath.basename(str(message.path).rstrip("/"))
        folder = _view_argument("artifact_path")
        # Repositories differ in whether the folder already holds the file's name.
        self.served_write(folder.rstrip("/") + "/" + name if name else folder)
        if _inside(folder):
            self.served_write(folder)

    def _presigned(self) -> None:
        message = message_of(CreatePresignedUploadUrl())
        store = tracking_store()
        if message.run_id:
            root = store.get_run(message.run_id).info.artifact_uri
        elif message.model_id:
            root = store.get_logged_model(message.model_id).artifact_location
        else:
            return  # MLflow refuses it
        self._uri_write(root, str(message.path))
        if message.HasField("expiration") and message.expiration > _PRESIGNED_SECONDS:
            _refuse(
                f"An address to write to {root}/{message.path} for {message.expiration} seconds",
                f"what lies there may be registered meanwhile; ask for {_PRESIGNED_SECONDS} at most",
            )

    def _run_upload(self) -> None:
        run_id, path = request.args.get("run_uuid"), request.args.get("path")
        if run_id and path:
            self._uri_write(tracking_store().get_run(run_id).info.artifact_uri, path)

    def _uri_write(self, root: str, path: str) -> None:
        inner = validate_path_is_safe(path)
        where = posixpath.join(place(root, destination()), posixpath.normpath(inner))
        self._frozen(where, f"{root}/{inner}")

    # What stands behind a version that carries a protected alias

    def _logged_model(self) -> None:
        model_id = _view_argument("model_id")
        what = f"Changing LoggedModel {model_id}"
        if request.endpoint == "_set_logged_model_tags":
            tags = (json_of(request) or {}).get("tags") or []
            if any(is_ours(str(tag.get("key", ""))) for tag in tags if isinstance(tag, dict)):
                _refuse(what, "tags that begin with gov. say what a signed decision says")
        self._behind(what, lambda one: one.is_logged_model(model_id))

    def _run(self) -> None:
        run_id = message_of(DeleteRun()).run_id
        self._behind(
            f"Deleting run {run_id}",
            lambda one: bool(run_id) and (one.run_id == run_id or f"/{run_id}/" in f"{one.location}/"),
        )

    def _experiment(self) -> None:
        wanted = message_of(DeleteExperiment()).experiment_id
        root = place(tracking_store().get_experiment(wanted).artifact_location, destination())
        self._behind(
            f"Deleting experiment {wanted}",
            lambda one: (
                place(one.location, destination()).startswith(root.rstrip("/") + "/")
                or _experiment_of(one) == wanted
            ),
        )

    def _workspace(self) -> None:
        name = _view_argument("workspace_name")
        self._behind(f"Deleting workspace {name}", lambda one: one.workspace == name)

    def _behind(self, what: str, is_behind: Callable[[Carried], bool]) -> None:
        store: Any = registry_store()
        with _judged(what) as standing:
            reasons = [one.says() for one in carried(store.engine, standing.terms) if is_behind(one)]
            if reasons:
                raise RefusedError(what, reasons)


class _JudgedAgain:
    """A body whose end is given out only after its place has been judged once more."""

    def __init__(self, stream: Any, judge: Callable[[], None]) -> None:
        self._stream = stream
        self._judge = judge

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data: bytes = self._stream.read(size)
        if not data or size < 0:
            self._judge()
        return data


@contextmanager
def _judged(what: str) -> Iterator[Standing]:
    """The terms as they stand, outside of the lock of setters; a refusal becomes MLflow's error."""
    try:
        yield store_gate(registry_store()).standing(what)
    except RefusedError as error:
        raise MlflowException(refusal(error), error_code=PERMISSION_DENIED) from error


def _experiment_of(one: Carried) -> str:
    if not one.run_id:
        return ""
    try:
        return str(tracking_store().get_run(one.run_id).info.experiment_id)
    except MlflowException:
        return ""


def _view_argument(name: str) -> str:
    return str((request.view_args or {}).get(name, ""))


def _inside(folder: str) -> bool:
    return bool(folder.strip("/"))


def _refuse(what: str, reason: str) -> None:
    raise MlflowException(refusal(RefusedError(what, [reason])), error_code=PERMISSION_DENIED)


def _answer(error: MlflowException) -> Response:
    return Response(
        error.serialize_as_json(), status=error.get_http_status_code(), mimetype="application/json"
    )
