"""Plan a merge from headers and configurations, before any weight is read: every tensor of the output is accounted for.

Whole-number and boolean tensors (position ids, masks) are planned like others, with all inputs and their own dtype and without
`copy`: there is nothing to average, so the engine has to find them equal and takes the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NoReturn

from polylect.errors import MergeError, nearest
from polylect.merge import compare, cross_modal, methods, tied, token_rows
from polylect.merge.inputs import Checkpoint, Inputs, load
from polylect.merge.layers import layer
from polylect.merge.methods import Method, Values
from polylect.merge.output_files import chosen, output_files
from polylect.merge.plan import MergePlan, Source, TensorPlan
from polylect.merge.rules import Rules, model_index
from polylect.merge.settings import DTYPES, Rule, Settings

__all__ = ["plan"]

_FLOATS = frozenset(DTYPES.values())


def plan(settings: Settings) -> MergePlan:
    """Return the plan of a merge; nothing is written, and of the weights nothing but headers is read.

    Raises:
        MergeError: the method lacks what it needs, or the inputs do not fit each other; the message names tensor and models.
        ModelError: an input is missing, damaged, or refused (pickled).
    """
    method = methods.get(settings.method)
    rules = Rules(settings.rules, len(settings.models))
    _check_method(settings, method)
    inputs, notes = cross_modal.resolve(load(settings.models, settings.base), settings)
    compare.architectures(inputs, depth_may_differ=any(rule.missing in {"abstain", "drop"} for rule in settings.rules))
    heads = tied.resolve(inputs, rules)
    tokens = token_rows.resolve(heads.inputs, settings)
    inputs, aligned = tokens.inputs, tokens.alignment is not None
    notes += heads.notes + tokens.notes
    notes += compare.configurations(inputs, ids=not aligned)
    notes += compare.generation(inputs, chosen("generation", settings.generation, inputs))
    notes += () if aligned else compare.tokenizers(inputs, chosen("tokenizer", settings.tokenizer, inputs))
    builder = _Builder(settings, method, inputs, rules)
    tensors = builder.build()
    files = output_files(inputs, settings, tokens, untie=heads.untie)
    labels = tuple(model.label for model in inputs.models)
    counts = {**builder.counts, **tokens.counts}
    return MergePlan(settings, method, labels, tensors, files, (*notes, *builder.notes(), *_repeats(settings, inputs)), counts)


def _check_method(settings: Settings, method: Method) -> None:
    """Refuse settings that the method cannot use or lacks.

    Raises:
        MergeError: the number of models, a missing base, weights that sum to 0, a setting that would have no effect.
    """
    count, (fewest, most) = len(settings.models), method.inputs
    if count < fewest or (most and count > most):
        needed = f"exactly {most}" if fewest == most else f"at least {fewest}"
        raise MergeError(f"method {method.name}: merges {needed} models, {count} given. Change the models or the method.")
    if method.task_vectors and settings.base is None:
        raise MergeError(f"method {method.name}: needs the model that all others were trained from. Give it with --base.")
    rules = settings.rules
    interpolates = method.inputs == (2, 2)
    _check_unused(
        settings,
        "weights",
        method.gram and bool(settings.weights or any(rule.weights for rule in rules)),
        "--t" if interpolates else "",
    )
    _check_unused(
        settings, "t", not interpolates and (settings.t != 0.5 or any(rule.t is not None for rule in rules)), "--weights"
    )
    _check_unused(
        settings, "density", method.keep == "all" and (set(settings.density) != {0.5} or any(r.density for r in rules)), ""
    )
    _check_unused(
        settings, "lambda", not method.task_vectors and (settings.scale != 1 or any(r.scale is not None for r in rules)), ""
    )
    if not method.gram and _normalizes(settings, method):
        for weights in (settings.weights, *(rule.weights for rule in rules)):
            if weights is not None and _vanishes(weights):
                raise MergeError(f"weights {list(weights)}: their sum is 0, and {method.name} divides by it. Give other weights.")


def _check_unused(settings: Settings, key: str, unused: bool, instead: str) -> None:
    if unused:
        raise MergeError(f"method {settings.method}: does not use {key}. Leave it out{f', or use {instead}' if instead else ''}.")


def _normalizes(settings: Settings, method: Method) -> bool:
    return method.normalize if settings.normalize is None else settings.normalize


def _vanishes(weights: Iterable[float]) -> bool:
    """Return whether weights sum to 0 but for rounding."""
    weights = list(weights)
    return abs(math.fsum(weights)) <= 1e-12 * math.fsum(map(abs, weights))


def _repeats(settings: Settings, inputs: Inputs) -> list[str]:
    """Return notes on folders that were given more than once."""
    notes = []
    for number, model in enumerate(inputs.models):
        if model.folder in settings.models[:number]:
            notes.append(f"{model.label}: this folder is given twice; it counts twice.")
        if inputs.base is not None and model.folder == inputs.base.folder:
            notes.append(f"{model.label}: is the base too, so its task vector is 0.")
    return notes


class _Builder:
    """Makes the tensor plans of one merge and counts what became of the tensors."""

    def __init__(self, settings: Settings, method: Method, inputs: Inputs, rules: Rules) -> None:
        self._settings, self._method, self._inputs, self._rules = settings, method, inputs, rules
        self._models = [model.tensors for model in inputs.models]
        self._base: Mapping[str, Source] = inputs.base.tensors if inputs.base is not None else {}
        self._values: dict[Rule, Values] = {}
        self._dtypes: dict[tuple[str, ...], int] = {}
        self._ignored = 0
        self.counts = {"merged": 0, "copied": 0, "abstained": 0, "dropped": 0}

    def build(self) -> tuple[TensorPlan, ...]:
        """Return a plan per tensor, in the order of the main model's files, then those that others alone have, by name."""
        names = self._names()
        tensors = [made for name in names if (made := self._tensor(name)) is not None]
        self._rules.check_used(names)
        if not tensors:
            raise MergeError("every tensor is dropped by a rule; nothing is left to write. Correct the rules.")
        return tuple(tensors)

    def notes(self) -> list[str]:
        """Return what the tensors have told."""
        notes = []
        for dtypes, count in self._dtypes.items():
            told = ", ".join(f"{dtype} in {model.label}" for dtype, model in zip(dtypes, self._inputs.models, strict=True))
            into = self._settings.dtype or f"that of {self._inputs.models[self._inputs.main].label}"
            notes.append(f"{count} tensors have different dtypes: {told}; the output has {into}.")
        if self._ignored and self._inputs.base is not None:
            notes.append(
                f"{self._ignored} tensors of {self._inputs.base.folder} fit no tensor of the output; "
                f"{self._method.name} needs no base, so they only lack in the statistics."
            )
        return notes

    def _names(self) -> list[str]:
        names = dict.fromkeys(self._models[self._inputs.main])
        known = set().union(*self._models)
        names.update(dict.fromkeys(sorted(known - names.keys())))
        extra = sorted(self._base.keys() - known)
        if self._method.task_vectors:
            names.update(dict.fromkeys(extra))
        else:
            self._ignored += len(extra)
        return list(names)

    def _tensor(self, name: str) -> TensorPlan | None:
        number = layer(name)
        rule = self._rules.find(name, number)
        inputs = tuple(tensors.get(name) for tensors in self._models)
        base = self._base.get(name)
        copy = self._copy(name, rule, inputs, base)
        if copy is None:
            lacking = any(source is None for source in inputs) or (base is None and self._method.task_vectors)
            if lacking:
                if rule.missing == "drop":
                    self.counts["dropped"] += 1
                    return None
                copy = self._abstaining(name, rule, inputs, base)
        first = copy or next(source for source in inputs if source is not None)
        shape = _shape(first)
        if copy is None:
            base = self._fitting_base(name, inputs, base, shape)
        else:
            inputs = tuple(source if source is not None and _shape(source) == shape else None for source in inputs)
            base = base if base is not None and _shape(base) == shape else None
        self.counts["merged" if copy is None else "copied"] += 1
        dtype = self._dtype(name, inputs if copy is None else (copy,), base if copy is None else None)
        return TensorPlan(name, dtype, shape, inputs, base, self._value(rule), copy, number)

    def _copy(self, name: str, rule: Rule, inputs: tuple[Source | None, ...], base: Source | None) -> Source | None:
        """Return the source that a rule, or a multimodal model, sets for a tensor; None when it is to be merged."""
        if rule.keep is not None:
            index = model_index("keep", rule.keep, len(inputs)) if rule.keep != "first" else self._inputs.main
            source = base if index < 0 else inputs[index]
            if source is None:
                who = self._inputs.models[index].folder if index >= 0 else self._settings.base or "the base (none is given)"
                raise MergeError(f"{who}: tensor {name!r} is missing there, where a rule keeps it from. Correct the rule.")
            return source
        return inputs[self._inputs.main] if name in self._inputs.copied else None

    def _abstaining(self, name: str, rule: Rule, inputs: tuple[Source | None, ...], base: Source | None) -> Source | None:
        """Return None when those that have the tensor can be merged, or the one source that is all there is."""
        if rule.missing != "abstain":
            self._refuse_missing(name)
        present = [source for source in inputs if source is not None]
        if self._method.task_vectors and base is None:
            raise MergeError(
                f"{self._settings.base}: the base lacks the tensor {name!r}, and {self._method.name} needs it there. "
                f"Add to its rule: keep '1' (or another model), or missing 'drop'."
            )
        self.counts["abstained"] += len(inputs) - len(present)
        if not present:
            return base
        if len(present) < self._method.inputs[0]:
            if len(present) == 1 and not self._method.task_vectors:
                return present[0]
            raise MergeError(
                f"tensor {name!r}: {len(present)} of {len(inputs)} models have it, {self._method.name} needs "
                f"{self._method.inputs[0]}. Add to its rule: keep '1' (or another model), or missing 'drop'."
            )
        weights = [weight for weight, source in zip(self._value(rule).weights, inputs, strict=True) if source is not None]
        if self._value(rule).normalize and _vanishes(weights):
            raise MergeError(f"tensor {name!r}: the weights {weights} of the models that have it sum to 0. Give other weights.")
        return None

    def _fitting_base(
        self, name: str, inputs: tuple[Source | None, ...], base: Source | None, shape: tuple[int, ...]
    ) -> Source | None:
        """Check that all shapes are `shape`; return the base's source, or None where one that is not needed does not fit."""
        checkpoints = self._inputs.models
        for checkpoint, source in zip(checkpoints, inputs, strict=True):
            if source is not None and _shape(source) != shape:
                self._refuse_shape(name, checkpoint, source, shape, inputs)
        if base is not None and _shape(base) != shape:
            if self._method.task_vectors and self._inputs.base is not None:
                self._refuse_shape(name, self._inputs.base, base, shape, inputs)
            self._ignored += 1
            return None
        return base

    def _dtype(self, name: str, inputs: tuple[Source | None, ...], base: Source | None) -> str:
        present = [source for source in inputs if source is not None]
        stored = tuple(source.tensor.dtype for source in present)
        whole = [dtype not in _FLOATS for dtype in (*stored, *((base.tensor.dtype,) if base else ()))]
        if any(whole) and (not all(whole) or len(set(stored)) > 1):
            told = ", ".join(sorted(set(stored)))
            raise MergeError(
                f"tensor {name!r}: stored as {told}; whole numbers cannot be merged with others. Keep one by a rule."
            )
        if len(stored) == len(self._models) and len(set(stored)) > 1:
            self._dtypes[stored] = self._dtypes.get(stored, 0) + 1
        own = self._models[self._inputs.main].get(name)
        first = own.tensor.dtype if own is not None and own in present else stored[0]
        return first if self._settings.dtype is None or first not in _FLOATS else DTYPES[self._settings.dtype]

    def _value(self, rule: Rule) -> Values:
        """Return the numbers for a tensor that `rule` holds for; one number per model, also of those that abstain."""
        if rule not in self._values:
            settings, count = self._settings, len(self._models)
            density = rule.density or settings.density
            # What divides by the sum of weights takes 1 each: 1 / 3 is inexact and would push exact halves to one side.
            alike = 1.0 if _normalizes(settings, self._method) else 1 / count
            self._values[rule] = Values(
                weights=rule.weights or settings.weights or (alike,) * count,
                density=density * count if len(density) == 1 else density,
                t=settings.t if rule.t is None else rule.t,
                scale=settings.scale if rule.scale is None else rule.scale,
                normalize=_normalizes(settings, self._method),
                rescale=settings.rescale,
            )
        return self._values[rule]

    def _refuse_missing(self, name: str) -> NoReturn:
        involved = self._inputs.everything if self._method.task_vectors else self._inputs.models
        having = [checkpoint for checkpoint in involved if name in checkpoint.tensors]
        lacking = [checkpoint for checkpoint in involved if name not in checkpoint.tensors]
        others = sum(
            any(other not in checkpoint.tensors for checkpoint in involved) and other not in self._inputs.copied
            for other in set().union(*(checkpoint.tensors for checkpoint in involved))
        )
        hint = nearest(name, [other for other in lacking[0].tensors if other not in having[0].tensors][:2000])
        more = f" {others - 1} other tensors are not in all inputs either." if others > 1 else ""
        raise MergeError(
            f"{lacking[0].folder}: tensor {name!r} {list(_shape(having[0].tensors[name]))} is missing in {_listed(lacking)} but "
            f"present in {_listed(having)}.{hint}{more} Merge checkpoints of one architecture, or add a rule for it: missing "
            "'abstain' or 'drop'."
        )

    def _refuse_shape(
        self, name: str, checkpoint: Checkpoint, source: Source, shape: tuple[int, ...], inputs: tuple[Source | None, ...]
    ) -> NoReturn:
        other = next(model for model, found in zip(self._inputs.models, inputs, strict=True) if found is not None)
        rows = tied.is_embedding(name) or tied.is_head(name)
        step = "Align the vocabularies: --vocabulary union, base or first" if rows else "Merge checkpoints of one architecture"
        raise MergeError(
            f"{checkpoint.folder}: tensor {name!r} has the shape {list(_shape(source))}, in {other.folder} {list(shape)}. "
            f"{step}, or keep one model's tensor by a rule (keep '1')."
        )


def _shape(source: Source) -> tuple[int, ...]:
    """Return the shape of a source after its rows are rearranged."""
    return source.tensor.shape if source.rows is None else (len(source.rows), *source.tensor.shape[1:])


def _listed(checkpoints: list[Checkpoint]) -> str:
    return ", ".join(checkpoint.label for checkpoint in checkpoints[:4]) + (", ..." if len(checkpoints) > 4 else "")
