/// What could not be done: said in a WARNING, and recorded.
#pragma once

#include "catalog/binding.hpp"
#include "server/guard.hpp"
#include "triggers/event.hpp"

namespace contact_sync
{

/// Which function is at work.
struct Work
{
	const char *function;
	const char *state_after_failure; ///< for the DETAIL: what state things are in when it failed
	const Binding &binding;
};

/// What went wrong for a customer. The error's DETAIL and CONTEXT are for the server's log alone, for the body has more
/// rights than the client.
struct Failure
{
	Field key;
	Error error;
	const char *state; ///< for the DETAIL: what state things are in now
};

/// The failures of one trigger event, kept until they are recorded, many in one subtransaction. Lives in the memory
/// context it is made in.
class Failures
{
  public:
	Failures(const Work &work, bool by_row);

	/// Keeps a copy of it. May record what there is, where there is very much.
	void add(const Failure &failure);

	/// Forgets what was added since the last record(): it was rolled back, and comes again.
	void forget();

	/// Records what was added in contact_sync.failures, with its owner's rights and as a security-restricted operation,
	/// and tells the client in WARNINGs: ten of them in a statement (by_row: in a transaction). Where it cannot be
	/// recorded the server's log gets a line for each. Raises 57014 and 40001 alone.
	void record();

	/// Tells in one WARNING how many were not told one by one. (by_row: nothing; there is no telling which is the
	/// last.)
	void sum_up() const;

  private:
	void tell(const Failure &failure, const char *customer, bool recorded) const;

	const Work &work_;
	MemoryContext parent_;
	MemoryContext memory_ = nullptr; ///< of what was added
	List *added_ = NIL;				 ///< of Failure *
	int *told_;
	int told_here_ = 0;
	int64 untold_ = 0;
	int untold_sqlstate_ = 0;
};

/// Records and tells one failure.
void fail(const Work &work, const Failure &failure);

/// Runs a body for a customer under the guard; true where it succeeded, else its error was dealt with by fail().
template <typename Body> bool guarded(const Work &work, Field key, const Body &body)
{
	const Error *error = attempt({},
								 [&body](Attempt &attempt)
								 {
									 attempt.admit_users_code();
									 body();
								 });
	if (error == nullptr)
		return true;
	fail(work, {key, *error, work.state_after_failure});
	return false;
}

/// Tells that a part is left out because of how the tables or triggers are made: a WARNING once in a session and cause,
/// and a failure of the table as such. `problem` says what is wrong, as a clause.
void skip(const Work &work, int sqlstate, const char *problem);

/// The WARNING alone, for what is as it should be. Whether it was given.
bool leave(const Work &work, int sqlstate, const char *problem);

/// The WARNING under skip(), for what is no customers table: said once in a session and message. Whether it was said
/// now.
bool warn_once(int sqlstate, const char *message, const char *hint);

/// Whether a trigger is made as `timing` asks, with no more arguments than there are; else that is skipped.
bool is_fit(const Work &work, const TriggerData &trigger, const Timing &timing);

/// Whether the table has the key column, of a type that can be compared; else that is skipped.
bool has_key(const Work &work);

/// Whether the table has a number column, of a text type; else it is left alone: many a table has only one.
bool has_column(const Work &work, const Column &column);

/// Registers the callback that counts WARNINGs by transaction. To be called once, as the module is loaded.
void watch_transactions();

} // namespace contact_sync
