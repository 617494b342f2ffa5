"""Where the journal of a system is: in the administration region, with copies in others.

Who only looks reads the nearest copy that answers. Who acts without the administration
region names each region that is passed over, and takes the lock in the first one that
answers, in the order of `StackSets.buckets`: so all who act take the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field

from tapgen.aws.artifact_bucket import ArtifactBucket
from tapgen.aws.session import is_away
from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError, RolloutError
from tapgen.frozen import dataclass
from tapgen.rollout import kinds, lock
from tapgen.rollout.journal import Store
from tapgen.rollout.opening import Opened, opened

_AT_ONCE = 8
"""Regions that are asked at a time."""


@dataclass(frozen=True)
class Near:
    """The first place that answers: its region and bucket; `home` is the administration
    region, and `away` says what the regions before it answered instead. `lost` says that the
    administration region answers and has no journal, although this one has its copy."""

    prefix: str
    home: str
    region: str
    store: Store
    away: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False

    @property
    def is_home(self) -> bool:
        return self.region == self.home

    def waits_here(self, found: Opened) -> bool:
        """Whether whoever advances an open run reads and writes here."""
        return self.is_home or bool(found.lock.without)

    @property
    def unknown(self) -> str:
        """That no run is known here to be open, which is not to say that none is."""
        return (
            f"{self.prefix}: the copy of the journal in {self.region} has no open run; "
            f"whether {self.home} has one cannot be seen until it answers"
        )

    @property
    def words(self) -> str:
        """Which place is read, and which one does not answer, or has lost its journal."""
        if self.lost:
            return (
                f"the artifact bucket in {self.home} has no journal of {self.prefix} any "
                f"more; what follows is the copy in {self.region}, which may lack the last "
                "events; resume, rollout, destroy and stop bring it back"
            )
        gone = "; ".join(f"{r} does not answer ({w})" for r, w in self.away.items())
        return (
            f"{gone}; what follows is the copy of the journal in {self.region}, which may "
            "lack the last events"
        )

    def opened(self) -> Opened | None:
        """Return the open run, None where none is known: the one that acts here without
        the administration region, else the one of the administration region."""
        acting = opened(self.store, self.prefix)
        if acting or self.is_home:
            return acting
        return opened(self.store, self.prefix, self.home)


def at_home(sets: StackSets, prefix: str) -> Near:
    """Return the place in the administration region, whether it answers or not."""
    home = sets.admin.region
    return Near(prefix, home, home, sets.bucket)


def nearest(sets: StackSets, prefix: str) -> Near:
    """Return the first place of a system's journal that answers.

    Raises RolloutError where none does, and AwsError for any answer but none.
    """
    home, away = sets.admin.region, dict[str, str]()
    if len(sets.buckets) == 1:
        return at_home(sets, prefix)
    for region, bucket in sets.buckets.items():
        quick = bucket.hasty
        try:
            if region == home:
                held = lock.read(quick, prefix)
                _require_not_moved(sets, prefix, held)
                lost = None if held else _copied(sets, prefix)
                return lost or at_home(sets, prefix)
            if not quick.exists():  # it has nothing to read
                continue
            _require_administered_in(home, prefix, lock.read(quick, prefix))
        except AwsError as error:
            if not is_away(error):
                raise
            away[region] = str(error)
            continue
        return Near(prefix, home, region, bucket, away)
    raise _unreadable(prefix, away)


def found(
    sets: StackSets, prefix: str, regions: Iterable[str]
) -> tuple[str, tuple[str, ...]]:
    """Return the region that administers a system, as the bucket in one with its journal
    says, that of these stack sets; and those of `regions` that have copies. One that does
    not answer counts as one of them, since it may be.

    Raises RolloutError where the bucket answers and has no journal of it.
    """
    here = sets.admin.region
    try:
        home = _administration(sets.bucket.hasty, prefix, here)
    except AwsError as error:
        if not is_away(error):
            raise
        return here, ()
    if home is None:
        raise RolloutError(
            f"{prefix}: the artifact bucket of account {sets.admin.account} in {here} has no "
            "runs of it; give the account and the region that administer it "
            "(--profile, -r REGION), and its prefix as the names of its stack sets begin"
        )
    others = sorted({here, *regions} - {home})
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        copies = pool.map(lambda r: _may_have_copy(sets.at(r), prefix, home), others)
        return home, tuple(r for r, yes in zip(others, copies, strict=True) if yes)


def _administration(store: ArtifactBucket, prefix: str, here: str) -> str | None:
    """Return the region that administers a system, as the bucket here says; None where it
    has no journal of it."""
    held, start = lock.read(store, prefix), lock.key(prefix).removesuffix("json")
    if held and held.lock.administered:
        return held.lock.administered
    copied = [
        key.removeprefix(start).removesuffix(".json") for key in store.keys(start)
    ]
    others = {r: lock.read(store, prefix, r) for r in copied if r != "json"}
    since = {region: one.lock.since for region, one in others.items() if one}
    if since:  # several, where the administration has moved
        return max(since, key=lambda region: since[region])
    return here if held else None


def _may_have_copy(sets: StackSets, prefix: str, home: str) -> bool:
    try:
        return lock.read(sets.bucket.hasty, prefix, home) is not None
    except AwsError as error:  # a bucket that nobody may read here is of no use
        return is_away(error)


def require_answer(sets: StackSets, prefix: str) -> None:
    """Raise RolloutError soon where the only region of a journal does not answer: `nearest`
    has asked where there are others."""
    if away := silence(sets, prefix):
        raise _unreadable(prefix, away)


def silence(sets: StackSets, prefix: str) -> dict[str, str]:
    """Return what the only region of a journal answers instead of it; empty where it has
    it, and where there are others."""
    if len(sets.buckets) == 1:
        try:
            lock.read(sets.bucket.hasty, prefix)
        except AwsError as error:
            if is_away(error):
                return {sets.admin.region: str(error)}
    return {}


def _unreadable(prefix: str, away: Mapping[str, str]) -> RolloutError:
    gone = "; ".join(f"{region}: {why}" for region, why in away.items())
    return RolloutError(
        f"{prefix}: no region that has its journal answers: {gone}; try again later"
    )


def _require_not_moved(sets: StackSets, prefix: str, held: lock.Held | None) -> None:
    """Raise RolloutError where another region administers the system, or is about to hand
    it over to this one: the config names the wrong one."""
    home = sets.admin.region
    if held:
        moved = held.lock.administered not in ("", home)
        if moved and opened(sets.bucket, prefix) is None:
            _require_administered_in(home, prefix, held)
        return
    for region in sets.buckets:
        copy = lock.read(sets.bucket, prefix, region) if region != home else None
        if copy and copy.lock.open and copy.lock.command == kinds.MOVE:
            one = copy.lock
            raise RolloutError(
                f"{prefix}: run {one.run} of {one.who} on {one.host} moves the "
                f"administration from {region} and has not ended; set admin.region: "
                f"{region} until it has, and continue it with tapgen resume"
            )


def _require_administered_in(home: str, prefix: str, held: lock.Held | None) -> None:
    """Raise RolloutError where a lock says that another region administers the system."""
    now = held.lock.administered if held else ""
    if held and now not in ("", home):
        raise RolloutError(
            f"{prefix} is administered in {now} since run {held.lock.run}, not in {home}; "
            f"set admin.region: {now} in its config"
        )


def _copied(sets: StackSets, prefix: str) -> Near | None:
    """Return the first place with a copy of the journal that the administration region
    had; None where it never had one, as far as can be seen."""
    home = sets.admin.region
    for region, bucket in sets.buckets.items():
        try:
            if region != home and bucket.hasty.get(lock.key(prefix, home)):
                return Near(prefix, home, region, bucket, lost=True)
        except AwsError as error:
            if not is_away(error):
                raise
    return None


def put(sets: StackSets, key: str, body: bytes) -> None:
    """Store an object that may change in the administration region, and in each region
    with a copy that answers; `reconcile` brings it to the others."""
    for region, bucket in sets.buckets.items():
        try:
            (bucket if region == sets.admin.region else bucket.hasty).put(key, body)
        except AwsError as error:
            if region == sets.admin.region or not is_away(error):
                raise


def acting(sets: StackSets, prefix: str, without: Iterable[str]) -> Near:
    """Return the place to act in, without the regions that somebody has typed.

    Raises RolloutError unless all regions before it were typed.
    """
    near = nearest(sets, prefix)
    require_typed(near.away, without)
    return near


def elsewhere(sets: StackSets, prefix: str) -> dict[str, lock.Lock]:
    """Return the runs that act or acted without the administration region and whose
    journal was not fetched yet, by region; a region that does not answer is left out.
    """
    found = {}
    for region, bucket in sets.buckets.items():
        try:
            held = lock.read(bucket.hasty, prefix)
        except AwsError as error:
            if not is_away(error):
                raise
            continue
        if held and region != sets.admin.region and not held.lock.moved:
            found[region] = held.lock
    return found


def require_answers(sets: StackSets, without: Iterable[str]) -> list[str]:
    """Raise RolloutError unless every region with a copy answers, or was typed; return
    those that were typed, and answer. The administration region is known to answer."""
    away = {}
    for region, bucket in sets.buckets.items():
        try:
            if region != sets.admin.region:
                bucket.hasty.exists()
        except AwsError as error:
            if not is_away(error):
                raise
            away[region] = str(error)
    require_typed(away, without)
    return [region for region in dict.fromkeys(without) if region not in away]


def require_alone(sets: StackSets, prefix: str, at_home: bool) -> None:
    """Raise RolloutError where the administration region answers again, `at_home` where
    somebody acts without it. Called once the lock was taken: since both sides take theirs
    before they look, one sees the other."""
    home = sets.admin.region
    places = {r: b for r, b in sets.buckets.items() if (r == home) is not at_home}
    for region, bucket in places.items():
        try:
            found = lock.read(bucket.hasty, prefix)
        except AwsError as error:
            if not is_away(error):
                raise
            continue
        if not at_home:
            raise RolloutError(f"{home} answers again; nothing was started without it")
        if found and found.lock.open:
            one = found.lock
            raise RolloutError(
                f"{prefix}: {one.who} on {one.host} acts in {region} without "
                f"{', '.join(one.without)}, as run {one.run}; nothing was started here"
            )


def require_typed(away: Mapping[str, str], without: Iterable[str]) -> None:
    """Raise RolloutError unless somebody has typed the name of each region that does not
    answer: its lock cannot be read, and another run may hold it."""
    missing = [region for region in away if region not in {*without}]
    if missing:
        gone = "; ".join(f"{r}: {away[r]}" for r in missing)
        options = " ".join(f"--without-region {region}" for region in missing)
        raise RolloutError(
            f"a region of the journal does not answer: {gone}\n"
            "  whether another run is open there cannot be seen; what can go on without it "
            f"needs its name: {options}"
        )
