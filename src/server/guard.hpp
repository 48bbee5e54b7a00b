/// The guard: an error inside it costs what was done inside it, and nothing else.
#pragma once

#include "server/border.hpp"
#include "server/postgres.hpp"

namespace contact_sync
{

/// What is kept of an ERROR: all strings are cut to `max_error_text` bytes, `detail` and `context` may be null.
struct Error
{
	int sqlstate;
	const char *message;
	const char *detail;
	const char *context;
};

constexpr int max_error_text = 1024;

/// How an attempt is made.
struct Terms
{
	Oid role = InvalidOid;	  ///< whose rights the body has; without one, those it finds
	int security_context = 0; ///< see assume()
	int lock_timeout = 0; ///< the longest wait for a lock, in milliseconds; 0 or more than contact_sync.lock_timeout
						  ///< means contact_sync.lock_timeout
};

/// An attempt under way.
class Attempt
{
  public:
	/// To be called before any code of users can run (users_code.hpp). Such code looks names up in `search_path`, where
	/// one is given; and what it sets is undone, for as long as that holds without an attempt around it. It is not
	/// cheap.
	void admit_users_code(const char *search_path = nullptr);

  private:
	friend const Error *attempt(const Terms &terms, void (*body)(const void *, Attempt &), const void *argument);
	void run(const Terms &terms, void (*body)(const void *, Attempt &), const void *argument);

	bool is_outermost_ = false;
	int settings_ = 0; ///< the nesting level of what was set, or 0
};

/// Runs `body` with `argument` in an internal subtransaction, as PL/pgSQL's exception block does (pl_exec.c,
/// exec_stmt_block): a bare PG_TRY that swallowed the ERROR would leave locks, buffers and snapshots behind.
///
/// Returns null, or the error after everything was rolled back, in the caller's memory context. Two kinds are raised
/// again, because the client has to act on them: a cancelled query (57014) and a serialization failure (40001).
/// User, settings and time-outs are on return what they were.
///
/// Only the outermost attempt catches. Within a body the inner ones merely run theirs, with the waits and the
/// subtransaction of the outermost, and their errors are its own: so a trigger that comes back to us cannot go on for
/// ever, waits do not add up, and one failure is recorded once.
const Error *attempt(const Terms &terms, void (*body)(const void *argument, Attempt &attempt), const void *argument);

/// The same for a function object.
template <typename Body> const Error *attempt(const Terms &terms, const Body &body)
{
	static_assert(std::is_trivially_destructible_v<Body>, "an ERROR in the body would jump over a destructor");
	return attempt(
		terms, [](const void *argument, Attempt &attempt) { (*static_cast<const Body *>(argument))(attempt); }, &body);
}

/// `text` without what is beyond `max_error_text` bytes; no character is cut in two. A copy; null for null.
const char *clipped(const char *text);

/// The search_path for what belongs to a schema's customers: pg_catalog, the schema, pg_temp.
const char *search_path_of(Oid schema);

/// Sets a parameter until the caller's own AtEOXact_GUC(), or the end of the (sub)transaction, undoes it.
void set_option(const char *name, const char *value, GucContext context = PGC_USERSET);
void set_option(const char *name, int value, GucContext context = PGC_USERSET);

/// Likewise sets all that decides how a value looks as text. Failures identify customers by the text of their key, so
/// the text must not depend on the session's settings.
void fix_output();

} // namespace contact_sync
