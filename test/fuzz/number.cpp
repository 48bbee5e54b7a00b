/// What holds of number() for any bytes. For libFuzzer: make fuzz.

#include "number.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace
{

constexpr std::string_view spaces = " \t\n\v\f\r";

void hold(bool truth)
{
	if (!truth)
		std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
	const std::string_view text(reinterpret_cast<const char *>(data), size);
	const std::string_view number = contact_sync::number(text);

	// A view into the text: all of it between the first and the last character that is no white space.
	hold(number.data() >= text.data() && number.data() + number.size() <= text.data() + text.size());
	const auto first = text.find_first_not_of(spaces);
	const auto last = text.find_last_not_of(spaces);
	hold(number == (first == std::string_view::npos ? std::string_view() : text.substr(first, last - first + 1)));

	hold(contact_sync::number(number) == number);
	const std::string padded = " \t" + std::string(text) + "\r\n";
	hold(contact_sync::number(padded) == number);
	return 0;
}
