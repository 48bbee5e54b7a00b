#include "number.hpp"

#include <boost/algorithm/string/trim.hpp>
#include <boost/range/iterator_range.hpp>

namespace contact_sync
{

std::string_view number(std::string_view text)
{
	// The C locale's white space, whatever the server's locale: the same bytes must be the same number everywhere.
	const auto is_space = [](char character) { return character == ' ' || ('\t' <= character && character <= '\r'); };
	const auto range =
		boost::algorithm::trim_copy_if(boost::make_iterator_range(text.data(), text.data() + text.size()), is_space);

	return {range.begin(), range.size()};
}

} // namespace contact_sync
