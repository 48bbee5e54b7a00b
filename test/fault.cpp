#include "server/fault.hpp"

#include <stdexcept>
#include <string_view>

#include "server/border.hpp"

namespace contact_sync
{

namespace
{

[[noreturn]] void fail(std::string_view kind)
{
	if (kind == "bad_alloc")
		throw std::bad_alloc();
	if (kind == "exception")
		throw std::runtime_error("a fault");
	if (kind == "foreign")
		throw 42;

	// else it is a SQLSTATE
	ereport(ERROR, errcode(MAKE_SQLSTATE(kind[0], kind[1], kind[2], kind[3], kind[4])), errmsg("a fault"));
	pg_unreachable();
}

} // namespace

void fault(const char *place)
{
	const char *setting = GetConfigOption("contact_sync_test.fault", true, false);
	const std::string_view wanted = setting == nullptr ? "" : setting;
	const auto end = wanted.find(": ");

	if (end == std::string_view::npos || wanted.substr(0, end) != place)
		return;
	elog(LOG, "fault injected: %s", setting);
	fail(wanted.substr(end + 2));
}

int64 limited(const char *name, int64 limit)
{
	const char *setting = GetConfigOption(psprintf("contact_sync_test.%s", name), true, false);
	return setting == nullptr || *setting == '\0' ? limit : pg_strtoint32(setting);
}

} // namespace contact_sync
