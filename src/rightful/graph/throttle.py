"""How often applications may write: token buckets for each tenant and, within it, for each application. Pure, but for the clock.

An application passes where its own bucket and its tenant's have a token. Half of the tenant's bucket is kept for applications that
have used less than an equal share lately: a few that flood can't use up what the others need. So nobody waits while there is room, and
a flood costs those who flood.

A refused call is told when a token is there that was not promised to a call refused before it, so that those who wait come one after
another, not all at once. What a bucket of calls that nobody repeats was promised is lost after `MOST_TOLD_S`.

Buckets hold the tokens of one second and one more: whoever waits whole seconds comes up to one second late.
"""

import math
from collections.abc import Mapping

from rightful.clock import Clock
from rightful.config.model import Config, LimitSettings
from rightful.errors import Throttled
from rightful.identity.model import Caller
from rightful.ids import TenantId

MOST_TOLD_S = 10.0
IDLE_S = 12.0
"""An application that has not asked for so long is forgotten: its buckets are full, and what it was promised has passed."""
MAX_APPS = 10_000
"""Of one tenant; whoever asked least recently is forgotten first."""

_SHARED = 0.75

_NEARLY = 1e-6
"""Tokens that may be missing: sums of fractions are never exact. They are owed, not given."""


class _App:
    """What one application has left, as of `at_s`."""

    __slots__ = ("at_s", "share", "tokens", "told_s")

    def __init__(self, tokens: float, share: float, at_s: float) -> None:
        self.tokens = tokens
        self.share = share
        """Of its equal share of the tenant's tokens."""
        self.told_s = -math.inf
        """When the last of its calls that were refused may come again."""
        self.at_s = at_s


class WriteBuckets:
    """The buckets of one tenant. Not for several threads at once."""

    def __init__(self, *, per_second: float, per_second_per_app: float) -> None:
        self._rate, self._app_rate = per_second, per_second_per_app
        self._tokens = self._rate + 1
        self._at_s = -math.inf
        self._apps: dict[str, _App] = {}  # who asked least recently comes first

    def __len__(self) -> int:
        """Return how many applications are remembered."""
        return len(self._apps)

    def take(self, app_id: str, now_s: float) -> float:
        """Take a token for a call; returns 0.0, or the seconds after which to come again (nothing is taken then).

        `now_s` never goes back.
        """
        app = self._refill(app_id, now_s)
        reserve = self._rate / 2
        wait_s = max(
            (1 - app.tokens) / self._app_rate,
            (1 - self._tokens) / self._rate,
            min((1 + reserve - self._tokens) / self._rate, (1 - app.share) / self._share_rate),
        )
        if wait_s <= _NEARLY / self._rate:
            self._tokens -= 1
            app.tokens -= 1
            app.share = max(0.0, app.share - 1)
            return 0.0
        pace = self._app_rate if self._tokens >= 1 + reserve else min(self._app_rate, self._share_rate)
        due_s = min(max(now_s + wait_s, app.told_s + 1 / pace), max(now_s + MOST_TOLD_S, now_s + wait_s))
        app.told_s = due_s
        return due_s - now_s

    @property
    def _share_rate(self) -> float:
        """Equal shares of most of the rate: the rest fills what is kept for those who ask little."""
        return _SHARED * self._rate / len(self._apps)

    def _refill(self, app_id: str, now_s: float) -> _App:
        self._tokens = min(self._rate + 1, self._tokens + self._rate * max(0.0, now_s - self._at_s))
        self._at_s = now_s
        app = self._apps.pop(app_id, None)
        self._forget(now_s)
        if app is None:
            app = _App(self._app_rate + 1, math.inf, now_s)
        self._apps[app_id] = app
        passed_s = max(0.0, now_s - app.at_s)
        app.tokens = min(self._app_rate + 1, app.tokens + self._app_rate * passed_s)
        app.share = min(self._share_rate + 1, app.share + self._share_rate * passed_s)
        app.at_s = now_s
        return app

    def _forget(self, now_s: float) -> None:
        while self._apps:
            first = next(iter(self._apps))
            if len(self._apps) < MAX_APPS and now_s - self._apps[first].at_s < IDLE_S:
                return
            del self._apps[first]


class Throttle:
    """Lets writes pass as the limits of their tenant say. Not for several threads at once."""

    def __init__(self, limits: Mapping[TenantId, LimitSettings], clock: Clock) -> None:
        self._clock = clock
        self._buckets = {
            tenant_id: WriteBuckets(per_second=each.writes_per_second, per_second_per_app=each.writes_per_second_per_app)
            for tenant_id, each in limits.items()
        }

    def check(self, caller: Caller) -> None:
        """Take a token for a write of this caller; raises `Throttled` where there is none."""
        wait_s = self._buckets[caller.tenant_id].take(caller.app_id, self._clock.monotonic())
        if wait_s > 0:
            raise Throttled("Too many requests that change something", retry_after_s=math.ceil(wait_s), hint="wait for Retry-After")


def build(config: Config, clock: Clock) -> Throttle:
    """Return what lets writes pass, for all tenants of the configuration."""
    return Throttle({tenant.id: tenant.limits for tenant in config.tenants}, clock)
