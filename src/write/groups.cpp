#include "write/groups.hpp"

#include <algorithm>

namespace contact_sync
{

static_assert(std::is_trivially_destructible_v<Groups>);

bool may_be_one_rows_fault(int sqlstate)
{
	// Appendix A of the manual, without 22 and 23: the first two characters.
	static constexpr std::string_view classes[] = {
		"00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "20", "21",
		"24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F",
		"40", "42", "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX",
	};
	if (sqlstate == ERRCODE_RAISE_EXCEPTION)
		return true;
	const std::string_view its_class(unpack_sql_state(sqlstate), 2);
	return std::find(std::begin(classes), std::end(classes), its_class) == std::end(classes);
}

bool Groups::next()
{
	if (waiting_count_ == 0)
		return false;
	size_ = waiting_[--waiting_count_];
	attempts_++;
	return true;
}

void Groups::try_again()
{
	waiting_[waiting_count_++] = size_;
}

bool Groups::split(int64 served, int64 failed)
{
	const int64 parts[] = {size_ - served - failed, failed - failed / 2, failed / 2, served};
	const auto count = std::count_if(std::begin(parts), std::end(parts), [](int64 part) { return part > 0; });

	// Those that wait have an attempt coming too.
	if (count < 2 || attempts_ + waiting_count_ + count > most_attempts)
		return false;
	for (const int64 part : parts)
		if (part > 0)
			waiting_[waiting_count_++] = part;
	return true;
}

} // namespace contact_sync
