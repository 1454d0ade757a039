"""Topics of the node: discovery, streams, relays, camera info, QoS, leak guard."""
