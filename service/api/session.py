"""`/session`: exchange a token for a cookie that no script of the browser can read."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, g, make_response, request

from service.api.documentation import reading, writing
from service.context import current_service
from service.problems import Problem
from service.schemas.catalog import SessionInfo, SessionRequest
from service.security.caller import COOKIE, unauthorized
from service.store import Token
from service.store.sessions import LIFETIME

blueprint = APIBlueprint("session", __name__, url_prefix="/session", tag="session")


@blueprint.post("")
@blueprint.input(SessionRequest, arg_name="body")
@blueprint.output(SessionInfo)
@blueprint.doc(summary="Exchange a token for a session's cookie", responses=writing())
def create(body: SessionRequest) -> Response:
    """Begin a session of a browser."""
    store = current_service().store
    token = store.tokens.check(body.token)
    if token is None:
        raise unauthorized("token is not valid, or it has expired or was revoked", "token")

    response = make_response(_info(token).model_dump())
    response.set_cookie(
        COOKIE,
        store.sessions.create(token),
        max_age=int(LIFETIME),
        # No script can read the cookie, and no page of another site can have it sent.
        httponly=True,
        samesite="Strict",
        secure=request.is_secure,
    )

    return response


@blueprint.get("")
@blueprint.output(SessionInfo)
@blueprint.doc(summary="The session of this browser", responses=reading(404))
def show() -> SessionInfo:
    """Return the name of the token that the request was sent with."""
    if g.token is None:
        detail = "the request has no token, and the service needs none"
        raise Problem(404, "no-session", "No session", detail)
    return _info(g.token)


@blueprint.delete("")
@blueprint.output({}, status_code=204, description="The session is over")
@blueprint.doc(summary="End the session", responses=reading(403))
def end() -> Response:
    """End the session of a browser."""
    current_service().store.sessions.end(request.cookies.get(COOKIE, ""))
    response = make_response("", 204)
    # Browsers delete a cookie only if its attributes are the same as when it was set.
    response.delete_cookie(COOKIE, httponly=True, samesite="Strict", secure=request.is_secure)
    return response


def _info(token: Token) -> SessionInfo:
    return SessionInfo(
        name=token.name, expires_in_s=int(LIFETIME), administrator=token.administrator
    )
