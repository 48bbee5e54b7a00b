#include "server/border.hpp"

namespace contact_sync
{

void raise_exception(bool out_of_memory, const char *what)
{
	if (out_of_memory)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"), errdetail("A C++ allocation failed."));
	ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg("contact_sync: C++ exception: %s", what));
	pg_unreachable();
}

} // namespace contact_sync
