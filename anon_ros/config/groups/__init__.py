"""Declarations of all parameters, in groups.

ROS parameter descriptors, command-line flags, ``config/anonymize.yaml``, the table in
``docs/parameters.md`` and all validation are derived from these dataclasses.
"""
