/// What a build for tests (make FAULTS=1, test/fault.cpp) can change: places where things go wrong, and limits. Nothing
/// in any other.
#pragma once

#include "server/postgres.hpp"

namespace contact_sync
{

#ifdef CONTACT_SYNC_FAULTS
/// Throws or raises what the setting contact_sync_test.fault says ("PLACE: KIND") of this place, if anything.
void fault(const char *place);

/// What the setting contact_sync_test.NAME says instead of a limit, if anything.
int64 limited(const char *name, int64 limit);
#else
inline void fault(const char * /*place*/)
{
}

inline int64 limited(const char * /*name*/, int64 limit)
{
	return limit;
}
#endif

} // namespace contact_sync
