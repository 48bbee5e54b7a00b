/// A statement with the rights of a table's owner.
#pragma once

#include "postgres.hpp"

namespace contact_sync
{

/// Runs a statement with the rights of a table's owner and the search_path that the triggers write with, so that what
/// it meets of the owner's code has no more rights than these; for callers who have them. `arguments`, an array of
/// text, is $1. Returns the first row as a record, null where there is none.
Datum run_as_owner(Oid table, const char *statement, Datum arguments, bool *is_null);

} // namespace contact_sync
