"""Recordings: rosbag2 in both storages, and ROS 1; needs no ROS."""

from anon_ros.bags.bag import Bag, find_bag
from anon_ros.bags.job import MASKS, REPORT, Job, run_job
from anon_ros.bags.journal import Row
from anon_ros.bags.plan import Decision, Entry, Plan, Wishes
from anon_ros.bags.rewrite import Progress
from anon_ros.bags.survey import Survey, survey
from anon_ros.bags.target import COMPRESSIONS, Target, find_target

__all__ = [
    "COMPRESSIONS",
    "MASKS",
    "REPORT",
    "Bag",
    "Decision",
    "Entry",
    "Job",
    "Plan",
    "Progress",
    "Row",
    "Survey",
    "Target",
    "Wishes",
    "find_bag",
    "find_target",
    "run_job",
    "survey",
]
