"""Settings of one training step; every field can be set in a recipe."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Dpo", "Lora", "Reward", "Sft", "Training"]


class Strict(BaseModel):
    """A settings model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Lora(Strict):
    """Low-rank adapters (Hu et al. 2021) on every linear layer but the output head; `rank: 0` trains all weights."""

    rank: int = Field(16, ge=0, description="Rank of the adapter matrices; 0 turns adapters off.")
    alpha: int = Field(32, ge=1, description="Scale: the adapter's output is multiplied by alpha / rank.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout on the adapter's input.")


class Training(Strict):
    """What supervised and preference training share."""

    steps: int | None = Field(None, ge=1, description="Optimizer steps; leave empty to train for `epochs`.")
    epochs: float = Field(1.0, gt=0, description="Passes over the data when `steps` is empty.")
    batch_size: int = Field(32, ge=1, description="Rows per optimizer step, over all devices.")
    micro_batch_size: int | None = Field(None, ge=1, description="Rows per forward pass and device; empty: batch_size.")
    learning_rate: float = Field(3e-4, gt=0, description="Peak learning rate of AdamW.")
    warmup_steps: int = Field(5, ge=0, description="Steps of linear warm-up.")
    schedule: Literal["linear", "cosine", "constant"] = Field("linear", description="Learning rate after the warm-up.")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's decoupled weight decay.")
    max_length: int = Field(1024, ge=8, description="Longest row in tokens; longer rows are cut.")
    group_by_length: bool | None = Field(
        None,
        description="Batch rows of like length together: less padding, less random. Empty: yes, but not where refusals are mixed "
        "in, which would come in batches of their own and be unlearnt in between.",
    )
    gradient_checkpointing: bool = Field(False, description="Recompute activations in the backward pass to save memory.")
    fsdp: str = Field("", description='Fully sharded data parallel, e.g. "full_shard"; only under `accelerate launch`.')
    lora: Lora = Field(Lora(), description="Low-rank adapters.")

    @model_validator(mode="after")
    def _whole_batches(self) -> Training:
        if self.micro_batch_size is not None and self.batch_size % self.micro_batch_size:
            raise ValueError(f"batch_size {self.batch_size} is no multiple of micro_batch_size {self.micro_batch_size}")
        return self

    def of_step(self, *, refusals: bool = False) -> dict[str, Any]:
        """Return the settings as plain values, with what is empty decided for rows with or without refusals among them."""
        grouped = not refusals if self.group_by_length is None else self.group_by_length
        return {**self.model_dump(mode="json"), "group_by_length": grouped}


class Sft(Training):
    """Supervised fine-tuning: cross-entropy on the answer's tokens."""


class Dpo(Training):
    """Direct preference optimization (Rafailov et al. 2023) with guards."""

    learning_rate: float = Field(1e-4, gt=0, description="Peak learning rate of AdamW.")
    beta: float = Field(0.1, gt=0, description="Strength of the KL leash to the reference model.")
    sft_weight: float = Field(0.2, ge=0, description="Weight of the likelihood loss on the chosen answer; 0 turns it off.")
    ld_alpha: float | None = Field(None, ge=0, le=1, description="Length desensitisation (LD-DPO); empty turns it off.")
    reference: Literal["initial", "previous"] = Field(
        "initial", description="Reference of the KL leash: the model before any preference training, or the last iteration's."
    )


class Reward(Training):
    """A reward model from pairs: Bradley-Terry loss, -log sigmoid(r_chosen - r_rejected) (Ouyang et al. 2022, section 3.5)."""

    learning_rate: float = Field(1e-4, gt=0, description="Peak learning rate of AdamW.")
    max_length: int = Field(1024, ge=8, description="Longest conversation in tokens; a pair with a longer one is dropped.")
    heldout: float = Field(0.1, ge=0, lt=1, description="Share of items on which the model is measured, not trained.")
    center: float = Field(
        0.01, ge=0, description="Weight of (r_chosen + r_rejected)^2, which keeps rewards near 0 (Eisenstein et al. 2023)."
    )
    save_every: int | None = Field(None, ge=1, description="Steps between checkpoints to resume from; empty: none.")
    chat_template: str | None = Field(None, description="Jinja template for a model without one.")
