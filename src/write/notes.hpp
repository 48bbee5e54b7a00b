/// What row triggers note of a statement, until its statement trigger acts on it.
#pragma once

#include "catalog/binding.hpp"

namespace contact_sync
{

/// A number's length in characters; 0 where it is empty.
using Length = uint16;
constexpr Length unchanged = PG_UINT16_MAX;	  ///< the number is what it was
constexpr Length unknown = PG_UINT16_MAX - 1; ///< it is longer than this, or only the guard may look

/// The length of a number. Raises nothing.
Length length_of(const Column &column, Field number);

/// A customer whose contact data is to be looked at.
struct Note
{
	Datum key;
	uint32 hash : 31;	  ///< of the key
	uint32 is_insert : 1; ///< the row came by an INSERT
	Length phone;
	Length whatsapp;
};

/// A note of a customer. Raises nothing.
Note note_of(const Binding &binding, Datum key, bool is_insert, Length phone, Length whatsapp);

class Notes;

/// What notes are for.
struct Purpose
{
	int order; ///< what is for a lower one is done first
	void (*act)(const TriggerData &trigger, const Notes &notes);
};

/// The notes of one statement for one purpose, one a customer, in the order in which they were made. They live until
/// they are acted on, at most until the (sub)transaction ends. A statement that a trigger runs has notes of its own.
class Notes
{
  public:
	/// Those of the statement that the trigger of that binding fires for, about the same customers and columns; made
	/// where there are none.
	static Notes &of(const Binding &binding, const Purpose &purpose);

	/// Of all purposes those that are to be acted on first; null where there are none.
	static Notes *first_of(const Binding &binding);

	const Purpose &purpose() const { return purpose_; }
	const Binding &binding() const { return binding_; } ///< of the trigger that made the first one
	const Note *begin() const { return notes_; }
	int64 size() const { return size_; }

	/// Adds a copy of a note. If the customer is noted already, that note takes the lengths that have changed.
	void add(const Note &note);

	/// Whether they take more than work_mem.
	bool are_many() const;

	/// Takes them off the statement: what it notes from now on is for another time. To be freed by its caller.
	void take();
	void free();

  private:
	Notes(const Binding &binding, const Purpose &purpose, MemoryContext memory);
	static Notes *next_of(const Binding &binding, Notes *notes);
	bool same_customer(const Note &left, const Note &right) const;
	uint32 &place(const Note &note);
	void grow();

	const Binding &binding_;
	const Purpose &purpose_;
	const int depth_; ///< of the triggers that fire for the statement
	const MemoryContext memory_;
	Notes *next_ = nullptr;
	MemoryContextCallback on_reset_ = {};

	Note *notes_ = nullptr;
	int64 size_ = 0;
	int64 capacity_ = 0;
	uint32 *index_ = nullptr; ///< places in notes_, by hash: open addressing, twice as many as the capacity
};

} // namespace contact_sync
