/// Code of other roles that would run with the rights of a table's owner.
#pragma once

#include "postgres.hpp"

extern "C"
{
#include "nodes/nodes.h"
}

namespace contact_sync
{

/// Whether a trigger could run code of a role that has not the rights of `owner`, who is to write the table: TRIGGER is
/// a privilege that owners hand out, so somebody else may have put it there.
///
/// Its function must belong to a role that has the owner's rights; what that makes of its arguments is that role's
/// affair. Its condition may call immutable functions in C alone, such as comparisons are made of: who made the trigger
/// wrote the condition, and among the server's own functions are some that run any query.
///
/// REFERENCES is such a privilege, too: what a foreign key's own trigger deletes or changes in the table that refers
/// fires AFTER triggers there, with the owner's rights. So that table must belong to such a role, and all of this hold
/// for its triggers. Those tables are added to `referrers`, and ACCESS SHARE on them is taken and kept.
bool runs_foreign_code(const Trigger &trigger, Oid owner, List *&referrers);

/// The same for a trigger by name; false where there is none. Takes ACCESS SHARE on the table, and keeps it.
bool runs_foreign_code(Oid table, const char *trigger, Oid owner);

/// Whether an expression of a table's definition computes a value in C and does no more; now() and gen_random_uuid(),
/// which the contact tables' own defaults call, count as that.
bool is_computation(Node *expression);

} // namespace contact_sync
