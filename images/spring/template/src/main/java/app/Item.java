package app;

import jakarta.validation.constraints.NotBlank;
import jakarta.validation.constraints.Size;

/** What the form sends and the table holds. */
public record Item(@NotBlank @Size(max = 100) String name) {
}
