"""What can go wrong when the platform starts on one machine, always told as cause and remedy."""


class StartFailed(Exception):
    """A part did not start; the message is one sentence that names the part, the cause and the remedy."""

    def __init__(self, part: str, cause: str, remedy: str) -> None:
        super().__init__(f"{part} did not start: {cause}; {remedy}.")
        self.part = part
        self.cause = cause
        self.remedy = remedy


class NotReady(Exception):
    """A probe's answer while a part is still coming up; it is asked again until its time is over."""
