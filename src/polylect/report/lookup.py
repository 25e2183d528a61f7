"""Find one estimate among the records of a report."""

from __future__ import annotations

from polylect.errors import DataError, nearest
from polylect.records import MULTIPLE, Comparison, Difference, Route, Summary
from polylect.report.data import ReportData, StageRow

__all__ = ["Lookup"]


class Lookup:
    """Indexes over the records of a report; every method returns None (or nothing) for what was not measured."""

    def __init__(self, data: ReportData) -> None:
        """Index `data`.

        Raises:
            DataError: `base_stage`, `final_stage` or a reference stage is not among the stages.
        """
        self.data = data
        self.stages = {stage.name: stage for stage in data.stages}
        self._order = {stage.name: position for position, stage in enumerate(data.stages)}
        roles = (data.base_stage, data.final_stage, data.before, *filter(None, [data.baseline]), *data.reference_stages)
        for name in roles:
            if name not in self.stages:
                raise DataError(
                    f"report: stage {name!r} is named but not listed; the stages are "
                    f"{', '.join(self.stages) or 'none'}.{nearest(name, self.stages)} Add its row to `stages`."
                )
        self._summaries = {(s.stage, s.metric, s.scope, s.language): s for s in data.summaries}
        self._worst = {(s.stage, s.metric): s for s in data.summaries if s.scope == "worst"}
        self._comparisons = {(c.a, c.b, c.language): c for c in data.comparisons}
        self._differences = {(d.a, d.b, d.metric, d.language): d for d in data.differences}
        self._previous = {stage.name: self._find_previous(stage.name) for stage in self.recipe}

    @property
    def references(self) -> list[StageRow]:
        """Stages that the recipe is compared with, without the base itself."""
        return [s for s in self.data.stages if s.name in self.data.reference_stages and s.name != self.data.base_stage]

    @property
    def recipe(self) -> list[StageRow]:
        """Stages of the recipe, in order; their numbers in the report are 1, 2, 3 ..."""
        return [s for s in self.data.stages if s.name not in self.data.reference_stages and s.name != self.data.base_stage]

    @property
    def languages(self) -> tuple[str, ...]:
        """Tags in the order of the report."""
        return self.data.languages

    def title(self, stage: str) -> str:
        """Title of a stage, or its name when the stage is not listed."""
        return self.stages[stage].title if stage in self.stages else stage

    def language(self, stage: str, metric: str, language: str) -> Summary | None:
        """A metric of a stage in one language."""
        return self._summaries.get((stage, metric, "language", language))

    def macro(self, stage: str, metric: str) -> Summary | None:
        """A metric of a stage averaged over languages."""
        return self._summaries.get((stage, metric, "macro", MULTIPLE))

    def gap(self, stage: str, metric: str) -> Summary | None:
        """English minus the mean of the other languages."""
        return self._summaries.get((stage, metric, "gap", MULTIPLE))

    def worst(self, stage: str, metric: str) -> Summary | None:
        """The worst language of a stage."""
        return self._worst.get((stage, metric))

    def win(self, a: str, b: str, language: str = MULTIPLE) -> Comparison | None:
        """Win rate of `a` against `b`."""
        return self._comparisons.get((a, b, language))

    def win_base(self, stage: str, language: str = MULTIPLE) -> Comparison | None:
        """Win rate of a stage against the base."""
        return self.win(stage, self.data.base_stage, language)

    @property
    def averaged(self) -> int:
        """In how many languages the final stage has a win rate against the base: those that its mean is over."""
        found = [self.win_base(self.data.final_stage, tag) for tag in self.languages]
        return sum(row is not None and row.win_rate is not None for row in found)

    def win_previous(self, stage: str, language: str = MULTIPLE) -> Comparison | None:
        """Win rate of a stage against the stage it was made from."""
        previous = self.previous(stage)
        return self.win(stage, previous, language) if previous is not None else None

    def previous(self, stage: str) -> str | None:
        """The stage that `stage` was compared with as its predecessor; the first stage of the recipe has the base."""
        return self._previous.get(stage)

    def difference(self, a: str, b: str, metric: str, language: str = MULTIPLE) -> Difference | None:
        """Paired difference `a` minus `b`."""
        return self._differences.get((a, b, metric, language))

    def routes(self, language: str) -> list[Route]:
        """Routing of one language, one row per teacher, in the order given."""
        return [route for route in self.data.routes if route.language == language]

    def _find_previous(self, stage: str) -> str | None:
        """The latest earlier stage of the recipe that `stage` was compared with.

        A stage that was not kept is nobody's predecessor, so the nearest name in the list would be the wrong one: the
        comparisons that were made say which it is.
        """
        recipe = {row.name for row in self.recipe}
        earlier = [c.b for c in self.data.comparisons if c.a == stage and c.b in recipe and self._order[c.b] < self._order[stage]]
        if earlier:
            return max(earlier, key=self._order.__getitem__)
        return self.data.base_stage if self.recipe[0].name == stage else None
