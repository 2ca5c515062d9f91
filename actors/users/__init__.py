"""Users: people with an account, what they may do, and the sessions they are logged in by."""

from actors.mesh import Actor, Aggregate, answers, claims, consults, decides, posts, projects
from actors.users import provider, views
from actors.users.model import email, postings, rules, sessions, state
from actors.users.provider import Credentials
from schemas.principal import Standing
from schemas.users import (
    AddAddress,
    AddUser,
    ChangePassword,
    DeactivateUser,
    EpochRaised,
    GetStanding,
    GetUser,
    ListSessions,
    ListUsers,
    LogIn,
    PasswordSet,
    RefreshSession,
    RegisterUser,
    RemoveAddress,
    ResendVerification,
    RevokeSession,
    RevokeSessions,
    SessionView,
    SetRoles,
    UpdateProfile,
    UserRegistered,
    UserView,
    VerifyEmail,
)

actor = Actor(
    name="users",
    aggregates=(
        Aggregate(
            state=state.User,
            key="user_id",
            evolve=state.evolve,
            owner="user_id",
            decisions=(
                decides(RegisterUser, rules.register, consults=consults(Credentials, provider.fresh_account)),
                decides(AddUser, rules.add, consults=consults(Credentials, provider.fresh_password)),
                decides(VerifyEmail, rules.verify, consults=consults(Credentials, provider.time_now)),
                decides(
                    ResendVerification,
                    rules.resend,
                    consults=consults(Credentials, provider.fresh_token),
                    replies=rules.resent,
                ),
                decides(UpdateProfile, rules.update_profile),
                decides(AddAddress, rules.add_address),
                decides(RemoveAddress, rules.remove_address),
                decides(ChangePassword, rules.change_password, consults=consults(Credentials, provider.other_password)),
                decides(RevokeSessions, rules.revoke_sessions),
                decides(SetRoles, rules.set_roles),
                decides(DeactivateUser, rules.deactivate, consults=consults(Credentials, provider.is_admin)),
            ),
        ),
        Aggregate(
            state=sessions.Session,
            key="session_id",
            evolve=sessions.evolve,
            owner="user_id",
            decisions=(
                decides(
                    LogIn,
                    sessions.log_in,
                    consults=consults(Credentials, provider.admit),
                    replies=sessions.logged_in,
                    remember=False,
                ),
                decides(
                    RefreshSession,
                    sessions.refresh,
                    keys=sessions.keys_of_refresh,
                    more_keys=sessions.user_of_session,
                    consults=consults(Credentials, provider.shown),
                    replies=sessions.refreshed,
                    remember=False,
                ),
                decides(RevokeSession, sessions.revoke_session, keys=sessions.keys_of_revocation),
            ),
        ),
    ),
    answers=(
        answers(GetUser, views.get_user),
        answers(ListUsers, views.list_users),
        answers(ListSessions, views.list_sessions),
        answers(GetStanding, views.get_standing),
    ),
    projections=(
        projects(UserView, views.user_view, fields=("status",), sort="registered_at_ms"),
        projects(SessionView, views.session_view, fields=("user_id",), sort="started_at_ms"),
        projects(Standing, views.standing, store="redis"),
    ),
    postings=(posts(EpochRaised, "epochs", postings.standing),),
    claims=(claims(UserRegistered, "email", takes=email.claimed_email),),
    private=(PasswordSet,),
)
