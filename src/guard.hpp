/// The guard: an error inside it costs what was done inside it, and nothing else.
#pragma once

#include "border.hpp"
#include "postgres.hpp"

namespace contact_sync
{

/// An attempt under way: what its body found, and is to leave as it was.
struct Attempt
{
	Oid user;
	int security_context;
	int lock_timeout;
	int deadlock_timeout;

	/// To be called before any code of users can run (users_code.hpp): it may look names up, in `search_path` where one
	/// is given, and set the time-outs itself, for as long as that holds without an attempt around it. It is not cheap.
	void admit_users_code(const char *search_path = nullptr) const;
};

/// The search_path for what belongs to a schema's customers: pg_catalog, the schema, pg_temp.
const char *search_path_of(Oid schema);

/// Takes on a role's rights. To be undone by SetUserIdAndSecContext(); an abort of the (sub)transaction undoes it by
/// itself. `security_context` is added to what there is, and to what these rights are always taken on with.
void take_on(Oid role, int security_context = 0);

/// Runs `body` with `argument` in an internal subtransaction, as PL/pgSQL's exception block does (pl_exec.c,
/// exec_stmt_block): a bare PG_TRY that swallowed the ERROR would leave locks, buffers and snapshots behind.
///
/// Returns null, or the error after everything was rolled back, in the caller's memory context. Two kinds are raised
/// again, for they are the client's to act on: a cancelled query (57014) and a serialization failure (40001).
/// The body runs with the rights of `role`, or without one with those it finds. All that is awaited inside is awaited
/// for contact_sync.lock_timeout at the most. User, search_path and time-outs are on return what they were.
ErrorData *attempt(Oid role, void (*body)(const void *argument, const Attempt &attempt), const void *argument);

/// The same for a function object.
template <typename Body> ErrorData *attempt(Oid role, const Body &body)
{
	static_assert(std::is_trivially_destructible_v<Body>, "an ERROR in the body would jump over a destructor");
	return attempt(
		role, [](const void *argument, const Attempt &attempt) { (*static_cast<const Body *>(argument))(attempt); },
		&body);
}

/// Sets a parameter until the attempt, or an AtEOXact_GUC() of the caller's own, gives it back.
void set_option(const char *name, const char *value, GucContext context = PGC_USERSET);

} // namespace contact_sync
