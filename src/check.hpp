/// Whether a CHECK constraint refuses a value, without writing a row.
#pragma once

#include "postgres.hpp"

namespace contact_sync
{

/// Whether the CHECK constraint of a domain, or one of a table on a single column, refuses the value that a text stands
/// for. The constraint itself is evaluated, not what its text would mean now. False where it does more than compute
/// (trust.hpp), or is no such constraint. Raises what the type's input raises.
bool is_refused(Oid constraint, const char *value);

} // namespace contact_sync
