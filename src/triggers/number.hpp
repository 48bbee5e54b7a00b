/// A telephone number as we store it.
#pragma once

#include <string_view>

namespace contact_sync
{

/// What the bytes of a text from 0x80 on are. In every server encoding those below are ASCII.
enum class Encoding
{
	utf8,
	other
};

/// The number in `text`: what is not part of it at either end is white space and, in UTF-8, what Unicode calls white
/// space or a format character: spreadsheets and telephones paste U+00A0, U+200B, U+202A. Empty where nothing is left.
/// A view into `text`.
///
/// This is the one definition, behind the triggers and contact_sync.number(text) alike, and the seam for E.164. It
/// takes any bytes: what is not valid in the encoding is part of the number. May throw, as Boost may.
std::string_view number(std::string_view text, Encoding encoding);

} // namespace contact_sync
