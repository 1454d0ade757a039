"""``anon_ros evaluate``: one module per question."""
