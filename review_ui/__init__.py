"""The Django site where people decide: queue, cases, second opinions, packages and exports."""
