# SPDX-License-Identifier: Apache-2.0
"""Time stamps of an outside authority (RFC 3161): the question, and everything an answer must fulfil.

This module is the one door to rfc3161-client. An answer is only ever believed when it stamps this very digest and is
signed by a certificate for time stamping that leads to the configured root and was valid at the stamped time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from rfc3161_client import TimeStampResponse, VerificationError, VerifierBuilder, decode_timestamp_response

QUERY_TYPE: Final = "application/timestamp-query"
ANSWER_LIMIT_BYTES: Final = 64 * 1024
"""An answer with a chain of four certificates takes some six kilobytes."""
NONCE_BITS: Final = 64
_SHA256: Final = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_CERTIFICATES: Final = 0xA0
"""Tag of the certificates in a SignedData (RFC 5652 §5.1)."""
_SHA256_DER: Final = bytes.fromhex("300d06096086480165030402010500")


class StampBroken(Exception):
    """The answer is no time stamp of this digest from the trusted authority. The text is one sentence."""


class RootFault(Exception):
    """The configured certificates cannot be used. The text is one sentence for the technician."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the authority says: this digest existed at that time."""

    utc_ms: int
    authority: str
    serial_number: int


def read_roots(pem: bytes) -> list[x509.Certificate]:
    """Certificates that are trusted to lead to the authority. Raises RootFault."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise RootFault("The file in timestamp_certificate holds no certificate in PEM form.") from None


def question(sha256: str, nonce: int) -> bytes:
    """A TimeStampReq (RFC 3161 §2.4.1) for this digest (hex), with nonce, asking for the certificate, too."""
    imprint = _der(0x30, _SHA256_DER + _der(0x04, bytes.fromhex(sha256)))
    # One more byte than the number needs, for its sign; DER wants no other zeros in front (X.690 §8.3.2).
    number = nonce.to_bytes(nonce.bit_length() // 8 + 1, "big")
    return _der(0x30, b"\x02\x01\x01" + imprint + _der(0x02, number) + b"\x01\x01\xff")


def check(answer: bytes, sha256: str, roots: list[x509.Certificate], nonce: int | None = None) -> Stamp:
    """What a stored or fresh answer says of this digest (hex). Raises StampBroken.

    Give the `nonce` of the question to a fresh answer: it shows that the answer was made for that question.
    """
    if len(answer) > ANSWER_LIMIT_BYTES:
        raise StampBroken(f"The time stamp is larger than {ANSWER_LIMIT_BYTES} bytes, which none is.")
    try:
        response = decode_timestamp_response(_in_order(answer))
    except ValueError:
        raise StampBroken("The time stamp cannot be read.") from None
    try:
        if response.status not in (0, 1):
            reasons = f" ({'; '.join(response.status_string)})" if response.status_string else ""
            raise StampBroken(f"The authority refused with status {response.status}{reasons}.")
        _check_imprint(response, sha256)
        VerifierBuilder(roots=roots, nonce=nonce).build().verify(response, bytes.fromhex(sha256))
        return _stamp(response)
    except VerificationError as error:
        raise StampBroken(f"The time stamp is not the trusted authority's: {error}.") from None
    except ValueError as error:
        raise StampBroken(f"The time stamp cannot be read ({error}).") from None


def _check_imprint(response: TimeStampResponse, sha256: str) -> None:
    imprint = response.tst_info.message_imprint
    if imprint.hash_algorithm != _SHA256 or imprint.message != bytes.fromhex(sha256):
        raise StampBroken("The time stamp belongs to other bytes than this manifest.")


def _stamp(response: TimeStampResponse) -> Stamp:
    info = response.tst_info
    signer = next(iter(response.signed_data.signer_infos))
    certificates = [x509.load_der_x509_certificate(der) for der in response.signed_data.certificates]
    name = next(
        (
            found.subject.rfc4514_string()
            for found in certificates
            if (found.issuer, found.serial_number) == (signer.issuer, signer.serial_number)
        ),
        "",
    )
    return Stamp(round(info.gen_time.timestamp() * 1000), name, info.serial_number)


def _in_order(answer: bytes) -> bytes:
    """The answer with its certificates in the order that DER wants (X.690 §11.6), which OpenSSL's authority does not
    keep and the library insists on. They are not part of what is signed. What cannot be read is left as it is.
    """
    try:
        response = _inside(answer, 0, len(answer))
        token = _inside(answer, *_elements(answer, *response)[1])
        signed_data = _inside(answer, *_inside(answer, *_elements(answer, *token)[1]))
        start, end = next(
            _inside(answer, *span) for span in _elements(answer, *signed_data) if answer[span[0]] == _CERTIFICATES
        )
        certificates = [answer[slice(*span)] for span in _elements(answer, start, end)]
    except (IndexError, StopIteration):
        return answer
    return answer[:start] + b"".join(sorted(certificates)) + answer[end:]


def _elements(data: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Where the elements of a DER value lie. Raises IndexError."""
    found = []
    while start < end:
        element_end = _inside(data, start, end)[1]
        found.append((start, element_end))
        start = element_end
    return found


def _inside(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the content of the element at `start` lies. Raises IndexError when it does not end by `end`."""
    first, content = data[start + 1], start + 2
    if first >= 0x80:
        content += first & 0x7F
        first = int.from_bytes(data[start + 2 : content], "big")
    if content + first > end:
        raise IndexError("an element is cut off")
    return content, content + first


def _der(tag: int, content: bytes) -> bytes:
    assert len(content) < 128, "all of a question fits the short form"
    return bytes((tag, len(content))) + content
