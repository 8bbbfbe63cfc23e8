"""What every part of Qalqan shares: records, settings, addresses, ids, time, errors, evidence and the store."""

__version__ = "0.1.0"
