"""The mark of pictures in which a model drew persons, which anybody's tools can read.

In a file it is an XMP packet (ISO 16684-1) with IPTC's digital source type, the same bytes in every
file: nothing else passes for it, and nothing can hide in it.
"""

from typing import Any

from anon_ros.utils.versions import package_versions

DIGITAL_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
XMP_MARK = (
    '<?xpacket begin="\N{BOM}" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    f'Iptc4xmpExt:DigitalSourceType="{DIGITAL_SOURCE_TYPE}"/>'
    '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
).encode()

_PACKAGE = "anon_ros"
_WHAT = "persons replaced by synthetic persons that a model drew"


def describe_mark(beta_d: float) -> dict[str, Any]:
    """Return the mark of recordings and topics; it tells nothing about the persons.

    Args:
        beta_d: noise level at which the diffusion started.
    """
    return {
        "what": _WHAT,
        "digital_source_type": DIGITAL_SOURCE_TYPE,
        "software": _PACKAGE,
        "version": package_versions()[_PACKAGE],
        "beta_d": beta_d,
    }
