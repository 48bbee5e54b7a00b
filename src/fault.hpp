/// Places where a build for tests (make FAULTS=1, test/fault.cpp) can make things go wrong. Nothing in any other.
#pragma once

namespace contact_sync
{

#ifdef CONTACT_SYNC_FAULTS
/// Throws or raises what the setting contact_sync_test.fault says ("PLACE: KIND") of this place, if anything.
void fault(const char *place);
#else
inline void fault(const char * /*place*/)
{
}
#endif

} // namespace contact_sync
