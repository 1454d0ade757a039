"""Types that may show or identify a person are recognized by names and fields."""

import pytest

from anon_ros.images.content.definitions import Finding, can_hold_media, inspect_definition

EVENTS = "events of an event camera"
SOUND, PLATES = "sound: voices can be heard", "may hold number plates"
VECTOR = "numbers by which a person can be recognized"


@pytest.mark.parametrize(
    ("topic", "type_name", "definition", "reason"),
    [
        ("/d", "dvs_msgs/msg/EventArray", "dvs_msgs/Event[] events", EVENTS),
        ("/d", "my/msg/A", "uint16 x\nuint16 y\nbuiltin_interfaces/Time t\nbool polarity", EVENTS),
        ("/d", "my/msg/A", "uint16[] x\nuint16[] y\nuint8[] p", EVENTS),
        ("/d", "my/msg/A", "int32[<=9] cols\nint32[<=9] rows\nbool[] on", EVENTS),
        ("/d", "my/msg/A", "float32 x\nfloat32 y\nint8 polarity", EVENTS),
        ("/d", "my/msg/A", "sequence<uint16> x;\nsequence<uint16, 9> y;\nboolean p;", EVENTS),
        ("/d", "event_camera_msgs/msg/EventPacket", "uint64 seq", EVENTS),
        ("/d", "my/msg/A", "uint32 width\nuint32 height\nuint64[] events", "has width, height"),
        ("/d", "my/msg/A", "uint16 rows\nuint16 cols\nuint8[] buffer", "has width, height"),
        ("/d", "my/msg/A", "int32 w\nint32 h\nuint8[] buffer", "has width, height"),
        ("/front_cam/data", "std_msgs/msg/UInt8MultiArray", "uint8[] data", "bytes under"),
        ("/front/cam0", "std_msgs/msg/ByteMultiArray", "byte[] data", "bytes under"),
        ("/a", "my/srv/A_Event", "foo/srv/GetImage_Response[] answer", "holds foo/msg/GetImage_R"),
        ("/a", "my/action/A_FeedbackMessage", "foo::action::Image_Goal x;", "holds foo/msg/Image_"),
        ("/audio", "std_msgs/msg/Int16MultiArray", "int16[] data", SOUND),
        ("/x", "audio_common_msgs/msg/AudioData", "uint8[] data", SOUND),
        ("/x", "foxglove_msgs/msg/RawAudio", "sequence<uint8> data;", SOUND),
        ("/robot/mic", "my/msg/A", "float32[] samples", SOUND),
        ("/x", "my/msg/A", "float32[128] face_descriptor", VECTOR),
        ("/x", "my/msg/A", "std_msgs/Float32MultiArray embedding", VECTOR),
        ("/person/reid", "std_msgs/msg/Float32MultiArray", "float32[] data", VECTOR),
        ("/x", "my/msg/A", "string license_plate", PLATES),
        ("/alpr/text", "std_msgs/msg/String", "string data", PLATES),
    ],
)
def test_suspicious_type_needs_decision(
    topic: str, type_name: str, definition: str, reason: str
) -> None:
    finding = inspect_definition(topic, type_name, definition)
    assert finding.reason.startswith(reason)
    assert not finding.is_notice


@pytest.mark.parametrize(
    ("topic", "type_name", "definition", "notice"),
    [
        ("/x", "hri_msgs/msg/IdsList", "string[] ids", "describes persons"),
        ("/humans/bodies/a/joints", "sensor_msgs/msg/JointState", "string[] name", "describes"),
        ("/x", "my/msg/A", "string person_id", "describes persons"),
        ("/x", "sensor_msgs/msg/NavSatFix", "float64 latitude", "a track of places"),
        ("/x", "my/msg/A", "float64 lat\nfloat64 lon", "a track of places"),
        ("/x", "nmea_msgs/msg/Sentence", "string sentence", "a track of places"),
        ("/rosout", "rcl_interfaces/msg/Log", "string msg", "text of programs"),
        ("/x", "hri_msgs/msg/LiveSpeech", "string final", "spoken"),
        ("/x", "my/msg/A", "string mac_address", "names of devices"),
        ("/x", "ouster_sensor_msgs/msg/PacketMsg", "uint8[] buf", "packets of a lidar"),
        ("/camera/status", "std_msgs/msg/String", "string data", "text under the name of a camera"),
    ],
)
def test_personal_data_noticed(topic: str, type_name: str, definition: str, notice: str) -> None:
    finding = inspect_definition(topic, type_name, definition)
    assert notice in finding.reason
    assert finding.is_notice


@pytest.mark.parametrize(
    ("topic", "type_name", "definition"),
    [
        ("/imu", "sensor_msgs/msg/Imu", "float64 x\nfloat64 y\nfloat64 z"),
        ("/pose", "my/msg/A", "float64 x\nfloat64 y\nfloat64 p"),
        ("/parameter_events", "rcl_interfaces/msg/ParameterEvent", "string node"),
        ("/audio/info", "my/msg/A", "string coding_format\nuint8 channels"),
        ("/platform", "my/msg/A", "float64 latency\nfloat64 longest"),
        ("/q", "my/msg/A", "float64 w\nfloat64 h\nuint8[] data"),
        ("/mica", "my/msg/A", "float32[] samples"),
        ("/scan", "my/msg/A", "string frame_id\nfloat32[] ranges"),
    ],
)
def test_other_types_cause_no_finding(topic: str, type_name: str, definition: str) -> None:
    assert inspect_definition(topic, type_name, definition) == Finding("", is_notice=True)


@pytest.mark.parametrize(
    ("definition", "can_hold"),
    [
        ("uint8[] data", True),
        ("string text", True),
        ("std_msgs/Header header\nfloat64 x", True),
        ("string frame_id", True),
        ("float64 x", False),
    ],
)
def test_media_need_bytes_or_text(definition: str, can_hold: bool) -> None:  # noqa: FBT001 - of a table
    assert can_hold_media(definition) == can_hold
