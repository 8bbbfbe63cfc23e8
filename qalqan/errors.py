"""One tree of errors. Each carries a message that says what happened and what to do."""


class QalqanError(Exception):
    """Everything that Qalqan raises on purpose."""


class ConfigurationError(QalqanError):
    """A setting is missing, unknown or impossible."""


class UsageError(QalqanError):
    """The command was called in a way it does not understand (exit code 2)."""


class FetchError(QalqanError):
    """A page could not be fetched: unreachable, refused, too large, too slow, too many redirects."""


class UnsafeAddressError(FetchError):
    """The address lies in a network that a crawler has no business in (design, section 8)."""


class ParseError(QalqanError):
    """The bytes are not the page that the spider expects. Never means "no posts"."""


class StoreError(QalqanError):
    """The store of documents refused or could not be reached."""


class ClassifierError(QalqanError):
    """Weights are missing, damaged or do not fit the labels."""


class EvidenceError(QalqanError):
    """A capture, package, export or audit chain does not match its checksum or signature."""


class CaseworkError(QalqanError):
    """An act that the rules of casework do not allow (self-approval, a skipped state, a protected target)."""
