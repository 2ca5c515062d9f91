"""What can be wrong with a mesh that runs, decided from what was seen of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from actors.mesh.connect import BrokerSurvey, ConsumerState, Declared, Info, read_declared
from cli.finding import Finding, broken, doubtful, well
from cli.status_facts import Look, PoolStatus, Status, all_consumers

NATS_OLDEST = (2, 12)
STORE_DOUBTFUL, STORE_FULL = 0.8, 0.95
SKEW_DOUBTFUL_MS = 1_000
SKEW_BROKEN_MS = 30_000
"""Past that a token signed on one machine is refused on the other."""
PROVISION = "run `just mesh provision`"


def broker(survey: BrokerSurvey) -> Iterator[Finding]:
    """Look at the server's version, the room in its store, and its clock."""
    found = tuple(map(int, re.findall(r"\d+", survey.version)[:2]))
    if found >= NATS_OLDEST:
        yield well("nats", f"version {survey.version}")
    else:
        yield broken("nats", f"version {survey.version} is too old", "install nats-server 2.12 or later")
    yield room(survey)
    if survey.clock_ahead_ms is not None:
        yield skew("nats", survey.clock_ahead_ms)


def room(survey: BrokerSurvey) -> Finding:
    used = f"{survey.stored_bytes / 1e6:,.0f} MB stored"
    if not survey.stored_bytes_max:
        return well("jetstream", f"{used}, no limit of the account")
    share = survey.stored_bytes / survey.stored_bytes_max
    told = f"{used} of {survey.stored_bytes_max / 1e6:,.0f} MB"
    if share >= STORE_FULL:
        return broken("jetstream", f"{told}: full", "raise max_file_store, or remove what no reader needs")
    if share >= STORE_DOUBTFUL:
        return doubtful("jetstream", f"{told}: nearly full", "raise max_file_store before events have no room")
    return well("jetstream", told)


def skew(whose: str, ahead_ms: int) -> Finding:
    """Judge how far a clock is from ours."""
    way = "ahead of" if ahead_ms > 0 else "behind"
    told = f"{whose} is {abs(ahead_ms):,} ms {way} this machine"
    remedy = "let both machines take the time from one source (NTP)"
    if abs(ahead_ms) >= SKEW_BROKEN_MS:
        return broken("clock", told, f"{remedy}: tokens are refused")
    if abs(ahead_ms) >= SKEW_DOUBTFUL_MS:
        return doubtful("clock", told, remedy)
    return well("clock", told if ahead_ms else f"{whose} agrees with this machine")


def pools(status: Status, infos: Sequence[Info]) -> Iterator[Finding]:
    """Look whether every domain is served, by pools of one version that can work."""
    for pool in status.pools:
        yield from served(pool, sorted({info.version for info in infos if info.name == pool.domain}))
        if pool.dead_letters:
            told = f"{pool.dead_letters} wait for a person"
            yield doubtful("dead letters", f"{pool.domain}: {told}", f"read them in {pool.domain}.dead_letters")


def served(pool: PoolStatus, versions: Sequence[str]) -> Iterator[Finding]:
    remedy = f"look into the log of {pool.domain}"
    if not pool.instances:
        yield broken(pool.domain, "no pool answers", f"start one (`python -m actors {pool.domain}`), or {remedy}")
        return
    if pool.problems:
        for problem in pool.problems:
            yield broken(pool.domain, problem, remedy)
        return
    count = "one pool" if pool.instances == 1 else f"{pool.instances} pools"
    if len(versions) > 1:
        told = f"{count} of the versions {', '.join(versions)}"
        yield doubtful(pool.domain, told, "finish the deployment that is under way")
    else:
        yield well(pool.domain, f"{count}, {pool.restarts} restarts of work beside" if pool.restarts else count)


def declared(infos: Sequence[Info], survey: BrokerSurvey) -> Iterator[Finding]:
    """Compare what the pools say they read with what the broker has."""
    there = {(each.stream, each.name): each for each in all_consumers(survey)}
    streams = {stream.name for stream in survey.streams}
    wanted, wrong = set[Declared](), 0
    for info in infos:
        try:
            wanted |= set(read_declared(info.metadata))
        except msgspec.MsgspecError:
            yield doubtful("readers", f"what {info.name} declares cannot be read", "bring all to one version")
    own = {(info.metadata or {}).get("stream", "") for info in infos} - {""}
    for stream in sorted((own | {each.stream for each in wanted}) - streams):
        wrong += 1
        yield broken("streams", f"{stream} is not there", PROVISION)
    for each in sorted(wanted, key=lambda each: (each.stream, each.name)):
        found = there.get((each.stream, each.name))
        if found is None and each.stream in streams:
            wrong += 1
            yield broken("readers", f"{each.name} is not there on {each.stream}", PROVISION)
        elif found is not None and set(found.filter_subjects) != set(each.filter_subjects):
            wrong += 1
            yield broken("readers", f"{each.name} on {each.stream} is for other subjects than declared", PROVISION)
    if not wrong:
        yield well("streams", f"{len(streams)} streams and {len(wanted)} readers as declared")


def stuck(before: Look, now: Look) -> Iterator[Finding]:
    """Find readers that have something to read and do not read."""
    earlier = {(each.stream, each.name): each for each in all_consumers(before.survey)}
    found = [each for each in all_consumers(now.survey) if stands_still(earlier.get((each.stream, each.name)), each)]
    for each in found:
        told = f"{each.name} has {each.pending} messages of {each.stream} before it and takes none"
        why = "nobody reads by it: start its pool" if not each.pulls else "look into the log of its pool"
        yield broken("readers", told, why)
    if not found:
        yield well("readers", "all that have something to read are reading")


def stands_still(before: ConsumerState | None, now: ConsumerState) -> bool:
    if before is None or not before.pending or not now.pending:
        return False
    return before.delivered_sequence == now.delivered_sequence and before.unacknowledged == now.unacknowledged


def waiting(status: Status) -> Iterator[Finding]:
    """Repeat what `mesh status` would call trouble, as far as nothing above has said it."""
    for trouble in status.troubles:
        if "behind" in trouble or "commits wait" in trouble:
            yield doubtful("backlog", trouble, "give that domain more pools, or look into its log")
