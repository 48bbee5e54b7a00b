#include "triggers/number.hpp"

#include <algorithm>
#include <iterator>

#include <boost/algorithm/string/trim.hpp>
#include <boost/range/iterator_range.hpp>

namespace contact_sync
{

namespace
{

struct Range
{
	char32_t first;
	char32_t last;
};

/// The code points with the property White_Space or the general category Cf in Unicode 15.0 (PropList.txt,
/// UnicodeData.txt). test/t/042_number.pl compares them with Perl's.
constexpr Range ignorable[] = {
	{0x0009, 0x000D},	{0x0020, 0x0020},	{0x0085, 0x0085},	{0x00A0, 0x00A0},	{0x00AD, 0x00AD},
	{0x0600, 0x0605},	{0x061C, 0x061C},	{0x06DD, 0x06DD},	{0x070F, 0x070F},	{0x0890, 0x0891},
	{0x08E2, 0x08E2},	{0x1680, 0x1680},	{0x180E, 0x180E},	{0x2000, 0x200F},	{0x2028, 0x202F},
	{0x205F, 0x2064},	{0x2066, 0x206F},	{0x3000, 0x3000},	{0xFEFF, 0xFEFF},	{0xFFF9, 0xFFFB},
	{0x110BD, 0x110BD}, {0x110CD, 0x110CD}, {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A},
	{0xE0001, 0xE0001}, {0xE0020, 0xE007F},
};

bool is_ignorable(char32_t code_point)
{
	const auto *range = std::lower_bound(std::begin(ignorable), std::end(ignorable), code_point,
										 [](const Range &range, char32_t value) { return range.last < value; });
	return range != std::end(ignorable) && range->first <= code_point;
}

constexpr std::size_t longest_sequence = 4;

bool is_ascii(char byte)
{
	return static_cast<unsigned char>(byte) < 0x80;
}

bool is_continuation(char byte)
{
	return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

/// How many bytes the character at the beginning of `text` takes if that is to be ignored, else 0; also 0 where there
/// is no valid one.
std::size_t ignorable_prefix(std::string_view text)
{
	if (text.empty())
		return 0;
	const auto lead = static_cast<unsigned char>(text.front());
	if (lead < 0x80)
		return is_ignorable(lead) ? 1 : 0;

	// RFC 3629: 110xxxxx, 1110xxxx, 11110xxx, each with the shortest form alone.
	const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
	const char32_t smallest = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
	if (lead < 0xC0 || lead >= 0xF8 || text.size() < length ||
		!std::all_of(text.begin() + 1, text.begin() + length, is_continuation))
		return 0;
	char32_t code_point = lead & (0x7F >> length);
	for (std::size_t i = 1; i < length; i++)
		code_point = code_point << 6 | (static_cast<unsigned char>(text[i]) & 0x3F);
	return code_point >= smallest && is_ignorable(code_point) ? length : 0;
}

/// The same of the end of `text`.
std::size_t ignorable_suffix(std::string_view text)
{
	std::size_t length = 1;
	while (length < longest_sequence && length < text.size() && is_continuation(text[text.size() - length]))
		length++;
	return length <= text.size() && ignorable_prefix(text.substr(text.size() - length)) == length ? length : 0;
}

} // namespace

std::string_view number(std::string_view text, Encoding encoding)
{
	// The C locale's white space, whatever the server's locale: the same bytes must be the same number everywhere.
	const auto is_space = [](char character) { return character == ' ' || ('\t' <= character && character <= '\r'); };
	const auto range =
		boost::algorithm::trim_copy_if(boost::make_iterator_range(text.data(), text.data() + text.size()), is_space);
	std::string_view number(range.begin(), range.size());

	// As nearly all numbers are
	if (encoding != Encoding::utf8 || number.empty() || (is_ascii(number.front()) && is_ascii(number.back())))
		return number;

	while (const std::size_t length = ignorable_prefix(number))
		number.remove_prefix(length);
	while (const std::size_t length = ignorable_suffix(number))
		number.remove_suffix(length);
	return number;
}

} // namespace contact_sync
