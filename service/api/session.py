"""`/session`: a browser hands in its token once, for a cookie that no script can read."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import g, make_response, request

from service.api.documentation import reading, writing
from service.context import service_of
from service.problems import Problem
from service.schemas.catalog import SessionInfo, SessionRequest
from service.security.caller import COOKIE, unauthorized
from service.store.sessions import LIFETIME


def blueprint() -> APIBlueprint:
    """The routes of browsers' sessions."""
    session = APIBlueprint("session", __name__, url_prefix="/session", tag="session")

    @session.post("")
    @session.input(SessionRequest, arg_name="asked")
    @session.output(SessionInfo)
    @session.doc(summary="Exchange a token for a session's cookie", responses=writing())
    def create(asked: SessionRequest) -> Any:
        store = service_of().store
        token = store.tokens.check(asked.token)
        if token is None:
            raise unauthorized("this is no token that is accepted (any more)", "token")
        answer = make_response({"name": token.name, "expires_in_s": int(LIFETIME)})
        answer.set_cookie(
            COOKIE,
            store.sessions.create(token),
            max_age=int(LIFETIME),
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
        )
        return answer

    @session.get("")
    @session.output(SessionInfo)
    @session.doc(summary="Whom this browser is known as", responses=reading(404))
    def show() -> dict[str, Any]:
        if g.token is None:
            raise Problem(
                404, "no-session", "No session", "no token is needed here, and none was given"
            )
        return {"name": g.token.name, "expires_in_s": int(LIFETIME)}

    @session.delete("")
    @session.output({}, status_code=204, description="The session is over")
    @session.doc(summary="End the session", responses=reading(403))
    def end() -> Any:
        service_of().store.sessions.end(request.cookies.get(COOKIE, ""))
        answer = make_response("", 204)
        answer.delete_cookie(COOKIE, httponly=True, samesite="Strict", secure=request.is_secure)
        return answer

    return session
