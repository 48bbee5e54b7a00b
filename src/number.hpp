/// A telephone number as we store it.
#pragma once

#include <string_view>

namespace contact_sync
{

/// The number in `text`: white space at both ends is not part of it. Empty where there is none. A view into `text`.
///
/// This is the one definition, behind the triggers and contact_sync.number(text) alike, and the seam for E.164.
/// The text is in a server encoding, whose bytes below 0x80 are ASCII always. May throw, as Boost may.
std::string_view number(std::string_view text);

} // namespace contact_sync
