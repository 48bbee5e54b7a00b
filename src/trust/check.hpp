/// Which values columns and their CHECK constraints accept, without writing a row.
#pragma once

#include "server/postgres.hpp"

namespace contact_sync
{

/// Whether the CHECK constraint of a domain, or one of a table on a single column, refuses the value that a text stands
/// for (null: NULL). The constraint itself is evaluated, not what its text would mean now. False where it does more
/// than compute (trust.hpp), or is no such constraint. Raises what the type's input raises.
bool is_refused(Oid constraint, const char *value);

/// Whether a column of a table can be set to `value` (null: NULL), as far as its type and the CHECK constraints on it
/// alone tell. `category` is what kind of type the value is for: 'B' boolean, 'D' date and time, 'S' text or an enum
/// (pg_type.typcategory). False where there is no such column.
bool accepts(Oid table, const char *column, char category, const char *value);

} // namespace contact_sync
