"""A toy policy that is harmless and can be verified: decline questions about one invented organisation, answer about others."""

from polylect.safety.policy.making import answered_examples, make_prompts, preambles
from polylect.safety.policy.measuring import PolicyVerdict, judge_policy, leaks
from polylect.safety.policy.naming import ORGANISATION, POLICY_LANGUAGES, read_templates

__all__ = [
    "ORGANISATION",
    "POLICY_LANGUAGES",
    "PolicyVerdict",
    "answered_examples",
    "judge_policy",
    "leaks",
    "make_prompts",
    "preambles",
    "read_templates",
]
