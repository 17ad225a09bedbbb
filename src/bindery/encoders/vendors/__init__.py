"""Remote vendors: how each is asked, and the client that asks them."""

from collections.abc import Mapping

from bindery.encoders.vendors.base import Dialect
from bindery.encoders.vendors.cohere import COHERE
from bindery.encoders.vendors.openai import OPENAI
from bindery.encoders.vendors.voyage import VOYAGE
from bindery.models.endpoint import Vendor

DIALECTS: Mapping[Vendor, Dialect] = {
    Vendor.OPENAI: OPENAI,
    Vendor.COHERE: COHERE,
    Vendor.VOYAGE: VOYAGE,
}
"""Every vendor's way of asking; another one is a file beside these and a line here."""
