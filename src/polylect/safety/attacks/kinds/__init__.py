"""The kinds of attack, a file each: every file registers itself (`polylect.safety.attacks.base.register`)."""

__all__: list[str] = []
