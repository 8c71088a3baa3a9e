"""Which tenants may take one more thread, so that one with a slow source does not keep all of them."""

from collections import Counter

from rightful.ids import TenantId

_MOST_SPARE = 4


class Turns:
    """Counts the threads that each tenant holds. Not safe by itself: whoever uses it from several threads holds a lock.

    All tenants share `threads`. Beside these stand a few spare ones, at most one for each further tenant, that only a tenant gets that
    holds none.
    """

    def __init__(self, threads: int, tenants: int) -> None:
        self._spare = min(tenants - 1, _MOST_SPARE)
        self._tenants = tenants
        self._held: Counter[TenantId] = Counter()
        self.threads = threads + self._spare
        """How many threads there are in all."""

    def resize(self, threads: int) -> None:
        """Have so many threads in all from now on, the spare ones among them."""
        self.threads = max(threads, 1 + self._spare)

    def passing_over(self) -> frozenset[TenantId]:
        """Return the tenants that must not take one of the free threads now: what is free is kept for those that hold none."""
        waiting = self._tenants - len(self._held)
        return frozenset(self._held) if self.free <= min(waiting, self._spare) else frozenset()

    @property
    def free(self) -> int:
        """How many work for nobody."""
        return self.threads - self._held.total()

    def take(self, tenant_id: TenantId) -> None:
        """Note that a thread works for a tenant."""
        self._held[tenant_id] += 1

    def give_back(self, tenant_id: TenantId) -> None:
        """Note that it does no more."""
        self._held[tenant_id] -= 1
        if not self._held[tenant_id]:
            del self._held[tenant_id]
