package app.item.service;

import jakarta.validation.constraints.NotBlank;
import jakarta.validation.constraints.Size;

/** A row of the table item. */
public class ItemVO {
	private long id;

	@NotBlank
	@Size(max = 100)
	private String name;

	public long getId() {
		return id;
	}

	public void setId(long id) {
		this.id = id;
	}

	public String getName() {
		return name;
	}

	public void setName(String name) {
		this.name = name;
	}
}
