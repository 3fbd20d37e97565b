"""Case folding and normal forms, exactly as the index sees them.

The normalizer `lowercase` of the cluster maps each code point alone, while `str.lower` looks at
neighbors (final sigma) and may grow a text (U+0130). `case_insensitive: true` of the cluster folds
ASCII only and is not used.
"""

import unicodedata

_GROWS = "\u0130"  # str.lower gives two code points, Character.toLowerCase gives "i"


def fold(text: str) -> str:
    """Return `text` with each code point lower-cased alone."""
    if text.isascii():
        return text.lower()
    return "".join("i" if char == _GROWS else char.lower() for char in text)


def spellings(text: str) -> tuple[str, str, str]:
    """Return `text` as given, in NFC and in NFD; callers drop repeats.

    Stored text is as received, and one name may have been received in either form.
    """
    if text.isascii():
        return text, text, text
    return text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
