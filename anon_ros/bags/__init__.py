"""Recordings: rosbag2 in both storages, and ROS 1; needs no ROS."""

from anon_ros.bags.account import Account, beside, read_account
from anon_ros.bags.bag import Bag, find_bag
from anon_ros.bags.findings import Findings
from anon_ros.bags.images import RecordedDepth, RecordedImage, read_depths, read_images
from anon_ros.bags.job import MASKS, REPORT, Job, Models, run_job
from anon_ros.bags.journal import Row
from anon_ros.bags.plan import Decision, Entry, Plan, Wishes
from anon_ros.bags.review import Sheet
from anon_ros.bags.rewrite import Progress
from anon_ros.bags.survey import Survey, survey
from anon_ros.bags.target import COMPRESSIONS, Target, find_target
from anon_ros.bags.verify import Comparison, verify

__all__ = [
    "COMPRESSIONS",
    "MASKS",
    "REPORT",
    "Account",
    "Bag",
    "Comparison",
    "Decision",
    "Entry",
    "Findings",
    "Job",
    "Models",
    "Plan",
    "Progress",
    "RecordedDepth",
    "RecordedImage",
    "Row",
    "Sheet",
    "Survey",
    "Target",
    "Wishes",
    "beside",
    "find_bag",
    "find_target",
    "read_account",
    "read_depths",
    "read_images",
    "run_job",
    "survey",
    "verify",
]
