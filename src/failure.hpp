/// What could not be done: said in a WARNING, and recorded.
#pragma once

#include "binding.hpp"
#include "event.hpp"
#include "guard.hpp"

namespace contact_sync
{

/// Which function is at work, and for which customer.
struct Work
{
	const char *function;
	Oid function_oid;				 ///< tells the extension's schema
	const char *state_after_failure; ///< for the DETAIL: what state things are in when it failed
	const Binding &binding;
	Field key;
};

/// What went wrong. `detail` and `context` may be null; they are for the server's log alone, for the body has more
/// rights than the client.
struct Failure
{
	int sqlstate;
	const char *message;
	const char *state; ///< for the DETAIL: what state things are in now
	const char *detail;
	const char *context;
};

/// Records a failure in the table failures of the extension's schema, with its owner's rights, in a subtransaction of
/// its own, and tells the client in a WARNING: ten of them in a transaction, then silence. Where it cannot be recorded
/// the server's log gets a line. Raises 57014 and 40001 alone.
void fail(const Work &work, const Failure &failure);

/// Runs a body under the guard; true where it succeeded, else its error was dealt with by fail().
template <typename Body> bool guarded(const Work &work, const Rights *rights, const Body &body)
{
	const ErrorData *error = attempt(rights, body);
	if (error == nullptr)
		return true;
	fail(work, {error->sqlerrcode, error->message, work.state_after_failure, error->detail, error->context});
	return false;
}

/// Tells that a part is left out because of how the tables or triggers are made: a WARNING once in a session and cause.
/// `problem` says what is wrong, as a clause.
void skip(const Work &work, int sqlstate, const char *problem);

/// The WARNING under skip(), for what is no customers table: said once in a session and message.
void warn_once(int sqlstate, const char *message, const char *hint);

/// Whether a trigger is made as `timing` asks, with no more arguments than there are; else that is skipped.
bool is_fit(const Work &work, const TriggerData &trigger, const Timing &timing);

/// Whether the table has the key column, of a type that can be compared; else that is skipped.
bool has_key(const Work &work);

/// Whether the table has a column; else that is skipped.
bool has_column(const Work &work, const Column &column);

/// Registers the callback that counts WARNINGs by transaction. To be called once, as the module is loaded.
void watch_transactions();

} // namespace contact_sync
