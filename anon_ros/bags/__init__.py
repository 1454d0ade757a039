"""Bags: rosbag2 in both storages, and ROS 1; needs no ROS."""

from anon_ros.bags.image_reader import BagDepthMap, BagImage, read_depth_maps, read_images
from anon_ros.bags.plan.decisions import DecisionOrigin, TopicAction, TopicDecision, TopicRules
from anon_ros.bags.plan.inspect import BagPlan, inspect_bag
from anon_ros.bags.plan.topic_plan import TopicPlan
from anon_ros.bags.rewrite.job import anonymize_bag
from anon_ros.bags.rewrite.job_spec import JobModels, RewriteJob
from anon_ros.bags.run_files.masks_db import MASKS, ImageRecord, MasksDb
from anon_ros.bags.run_files.report import REPORT, RunReport, read_report, sidecar_path
from anon_ros.bags.run_files.topic_report import ImageCounts, TopicReport
from anon_ros.bags.storage.bag import Bag, open_bag
from anon_ros.bags.storage.output import COMPRESSIONS, OutputBag, plan_output
from anon_ros.bags.storage.records import Loss
from anon_ros.bags.verify.findings import Findings
from anon_ros.bags.verify.redetection import MirroredSegmenter, redetection_config
from anon_ros.bags.verify.review_page import ReviewPage
from anon_ros.bags.verify.verifier import VerifyJob, verify_bag

__all__ = [
    "COMPRESSIONS",
    "MASKS",
    "REPORT",
    "Bag",
    "BagDepthMap",
    "BagImage",
    "BagPlan",
    "DecisionOrigin",
    "Findings",
    "ImageCounts",
    "ImageRecord",
    "JobModels",
    "Loss",
    "MasksDb",
    "MirroredSegmenter",
    "OutputBag",
    "ReviewPage",
    "RewriteJob",
    "RunReport",
    "TopicAction",
    "TopicDecision",
    "TopicPlan",
    "TopicReport",
    "TopicRules",
    "VerifyJob",
    "anonymize_bag",
    "inspect_bag",
    "open_bag",
    "plan_output",
    "read_depth_maps",
    "read_images",
    "read_report",
    "redetection_config",
    "sidecar_path",
    "verify_bag",
]
