"""Which teams with a duty log were on duty, and which were free, when each call came."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geo import gap
from geo.gap import NO, YES
from pipelines.unmet import Asked, Group, duty_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Teams:
    """Teams by service_id, and calls × teams whether on duty, and whether able to take the call."""

    names: tuple[str, ...]
    on: NDArray[np.bool_]
    could_take: NDArray[np.bool_]

    @staticmethod
    def none(n_calls: int) -> "Teams":
        """No team for so many calls."""
        return Teams(names=(), on=np.zeros((n_calls, 0), bool), could_take=np.zeros((n_calls, 0), bool))

    def on_duty(self, service_id: str, at: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether a team was on duty at the calls of these rows; no where there is no such team."""
        return self._column(self.on, service_id, at)

    def ready(self, service_id: str, at: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether a team that suits was on duty and free at the calls of these rows."""
        return self._column(self.could_take, service_id, at)

    def _column(self, table: NDArray[np.bool_], service_id: str, at: NDArray[np.int64]) -> NDArray[np.bool_]:
        if service_id not in self.names:
            return np.zeros(len(at), bool)
        return np.asarray(table[at, self.names.index(service_id)], dtype=bool)


def teams_of(own: Asked, groups: Sequence[Group], services: pd.DataFrame, duty: pd.DataFrame) -> Teams:
    """The teams of a leg's calls, simulated as for the outcomes (`geo.gap.dispatch`).

    Where several teams suit a call, each is asked with a call of its own just before: one that nobody is sent to and
    that tells whether this team is on duty and free.
    """
    names = sorted(services.loc[services["has_duty_log"].astype(bool), "service_id"].unique())
    if not names:
        return Teams.none(len(own.row))
    takes, could, minutes, job_s = _asked_of(own, groups, names)
    turns = tuple(duty_of(duty, name) for name in names)
    several = takes.sum(axis=1) > 1
    call, team = np.nonzero(takes & several[:, None])
    asked = np.zeros((len(call), len(names)), bool)
    asked[np.arange(len(call)), team] = True
    row = np.concatenate([call, np.arange(len(takes))])
    is_call = np.repeat([0, 1], [len(call), len(takes)])
    order = np.lexsort((is_call, row))
    result = np.empty(len(order), np.int8)
    result[order] = gap.dispatch(
        own.received_s[row][order],
        np.vstack([np.zeros_like(asked), takes])[order],
        np.vstack([asked, could])[order],
        np.vstack([minutes[call], minutes])[order],
        np.concatenate([job_s[call], job_s])[order],
        turns,
    )
    ready = takes & (result[len(call) :] == 2)[:, None]
    ready[call, team] = result[: len(call)] == 1
    on = np.column_stack([gap.teams_on(own.received_s, one) > 0 for one in turns])
    return Teams(names=tuple(names), on=on, could_take=ready)


def _asked_of(
    own: Asked, groups: Sequence[Group], names: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64], NDArray[np.int64]]:
    """Calls × teams: suits, may suit, minutes; and the seconds that a job of each call lasts."""
    takes = np.zeros((len(own.row), len(names)), bool)
    could, minutes = np.zeros_like(takes), np.full(takes.shape, np.nan)
    job_s = np.zeros(len(own.row), np.int64)
    for group in groups:
        job_s[group.at] = group.need.job_min * 60
        placed = group.profile >= 0
        rows, profile = group.at[placed], group.profile[placed]
        listed = group.found.rows
        for column in np.flatnonzero(listed["has_duty_log"].to_numpy(bool)):
            team = names.index(str(listed["service_id"].iloc[column]))
            s, b = group.s[profile, column], group.b[profile, column]
            takes[rows, team] |= (s == YES) & (b == YES)
            could[rows, team] |= (s != NO) & (b != NO)
            minutes[rows, team] = group.found.minutes[group.calls.place[placed], column]
    return takes, could, minutes, job_s
