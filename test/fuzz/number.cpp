/// What holds of number() for any bytes. For libFuzzer: make fuzz.

#include "triggers/number.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace
{

using contact_sync::Encoding;

constexpr std::string_view spaces = " \t\n\v\f\r";
// U+00A0, U+3000, U+200B, U+E0001: sequences of each length
constexpr std::string_view ignorable = "\xC2\xA0 \xE3\x80\x80\xE2\x80\x8B\t\xF3\xA0\x80\x81";

void hold(bool truth)
{
	if (!truth)
		std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
	const std::string_view text(reinterpret_cast<const char *>(data), size);
	const std::string_view number = contact_sync::number(text, Encoding::other);

	// A view into the text: all of it between the first and the last character that is no white space.
	hold(number.data() >= text.data() && number.data() + number.size() <= text.data() + text.size());
	const auto first = text.find_first_not_of(spaces);
	const auto last = text.find_last_not_of(spaces);
	hold(number == (first == std::string_view::npos ? std::string_view() : text.substr(first, last - first + 1)));

	hold(contact_sync::number(number, Encoding::other) == number);
	const std::string padded = " \t" + std::string(text) + "\r\n";
	hold(contact_sync::number(padded, Encoding::other) == number);

	// In UTF-8 no more than that is left, and whatever ends it is not to be ignored.
	const std::string_view in_utf8 = contact_sync::number(text, Encoding::utf8);
	hold(in_utf8.data() >= number.data() && in_utf8.data() + in_utf8.size() <= number.data() + number.size());
	hold(contact_sync::number(in_utf8, Encoding::utf8) == in_utf8);
	const std::string in_between = std::string(ignorable) + std::string(text) + std::string(ignorable);
	hold(contact_sync::number(in_between, Encoding::utf8) == in_utf8);
	// Other bytes are as good as any in a number.
	for (const std::string_view &bytes :
		 {"\x80", "\xC2", "\xE2\x80", "\xF3\xA0\x80", "\xC0\xA0", "\xE0\x82\xA0", "\xFF"})
	{
		const std::string ends = std::string(bytes) + "7" + std::string(text) + "7" + std::string(bytes);
		hold(contact_sync::number(ends, Encoding::utf8) == ends);
	}
	return 0;
}
